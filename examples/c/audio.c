/* The audio of a call: what comes on stdin is said, what the peer says goes to stdout; s16le mono at 8 kHz.
 *
 * What was written and not played is kept: after a restart of the media process it is written again. */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "wire.h"

enum { FRAME = 160, KEPT = 1 << 15, SILENCE = 100 }; /* samples; samples; milliseconds */

/* Positions count samples of what was written. `at`: what the service has been sent, `written`: what we have. */
typedef struct {
    void *line;
    char tap[33];
    const char *call;
    int64_t at, written, played, window;
    int opened, over;
    int16_t kept[KEPT];
} Audio;

static void say(Audio *a, const char *op, const void *data, size_t size) {
    Buffer *message = buffer();
    put(message, "{2sis[1", "v", (int64_t)VERSION, "asks");
    if (data) put(message, "{4sssssisd", "op", op, "tap", a->tap, "at", a->at, "data", data, size);
    else if (!strcmp(op, "open"))
        put(message, "{5sssssssisi", "op", op, "tap", a->tap, "call", a->call, "rate", (int64_t)8000, "played",
            a->played);
    else put(message, "{2ssss", "op", op, "tap", a->tap);
    transmit(a->line, message);
    drop(message);
}

static void take(Audio *a, Value message) {
    Value told = get(message, "told"), frames = get(message, "frames");
    for (uint32_t i = 0; i < length(told); i++) {
        Value each = &told->via.array.ptr[i];
        if (!is(each, "tap", a->tap)) continue;
        if (is(each, "t", "opened")) {
            a->opened = 1;
            a->window = number(each, "window");
            a->at = a->played = number(each, "played"); /* it may be another process: write on from there */
        } else if (is(each, "t", "progress")) a->played = number(each, "played");
        else if (is(each, "t", "full")) a->at = number(each, "at");
        else if (is(each, "t", "closed") || (a->opened && is(each, "t", "refused"))) a->over = 1;
    }
    for (uint32_t i = 0; i < length(frames); i++) {
        Value data = get(&frames->via.array.ptr[i], "data");
        if (data && data->type == MSGPACK_OBJECT_BIN) fwrite(data->via.bin.ptr, 1, data->via.bin.size, stdout);
    }
    fflush(stdout);
}

/* Ask one media process for the call. */
static void opens(Audio *a, const char *address) {
    a->line = dealer(address, 'a');
    token(a->tap);
    say(a, "open", NULL, 0);
    for (long end = now() + PATIENCE; !a->opened && now() < end;) {
        Value message = receive(a->line, SILENCE);
        if (message) take(a, message);
        else say(a, "open", NULL, 0);
    }
    if (!a->opened) zmq_close(a->line);
}

/* Say the next frame: again what a restart lost, else of stdin; whether there was any. */
static int write_more(Audio *a) {
    int16_t said[FRAME];
    size_t size = 0;
    if (a->at == a->written) {
        size = fread(said, 2, FRAME, stdin);
        for (size_t i = 0; i < size; i++) a->kept[(a->written + (int64_t)i) % KEPT] = said[i];
        a->written += (int64_t)size;
    } else
        for (; size < FRAME && a->at + (int64_t)size < a->written; size++)
            said[size] = a->kept[(a->at + (int64_t)size) % KEPT];
    if (size) say(a, "write", said, 2 * size);
    a->at += (int64_t)size;
    return size > 0;
}

/* One of the media processes has the call: over TCP each has a port, here a socket in the folder. */
static void find(Audio *a, const char *where, Value ports) {
    char address[512];
    glob_t found;
    int64_t kept[256]; /* `ports` stands until the next frame is received */
    uint32_t count = length(ports) < 256 ? length(ports) : 256;
    for (uint32_t i = 0; i < count; i++) kept[i] = ports->via.array.ptr[i].via.i64;
    for (uint32_t i = 0; i < count && !a->opened; i++) {
        int host = (int)(strrchr(where, ':') - where);
        snprintf(address, sizeof address, "%.*s:%d", host, where, (int)kept[i]);
        opens(a, address);
    }
    if (ports) return;
    snprintf(address, sizeof address, "%s/audio-*", where);
    if (glob(address, 0, NULL, &found)) die("no media process");
    for (size_t i = 0; i < found.gl_pathc && !a->opened; i++) {
        snprintf(address, sizeof address, "ipc://%s", found.gl_pathv[i]);
        opens(a, address);
    }
    globfree(&found);
}

void audio(const char *where, Value ports, const char *call) {
    static Audio a;
    a.call = call;
    find(&a, where, ports);
    if (!a.opened) die("no_such_call: no call of this id has audio");
    int more = 1; /* stdin has */
    for (long heard = now(); !a.over && (more || a.played < a.written);) {
        int room = a.at + FRAME <= a.played + a.window && (more || a.at < a.written);
        if (room && !write_more(&a)) more = 0;
        Value message = receive(a.line, room ? 0 : SILENCE);
        if (message) take(&a, message);
        else if (now() - heard > SILENCE) say(&a, "open", NULL, 0); /* nobody speaks: it may have been restarted */
        else continue;
        heard = now();
    }
    say(&a, "leave", NULL, 0);
    fprintf(stderr, "written %lld played %lld\n", (long long)a.written, (long long)a.played);
    zmq_close(a.line);
}
