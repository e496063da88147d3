/* The audio of a call: what comes on stdin is said, what the peer says goes to stdout; s16le mono at 8 kHz.
 *
 * What was written and not played is kept: after a restart of the media process, and where the call has moved to another
 * one, it is written again. */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "wire.h"

enum { FRAME = 160, KEPT = 1 << 15, SILENCE = 100, AGAIN = 50, MOVED = 10000 }; /* samples twice; milliseconds */
enum { PROCESSES = 256, ADDRESS = 512 };

/* Positions count samples of what was written. `at`: what the service has been sent, `written`: what we have. */
typedef struct {
    void *line;
    char tap[33];
    const char *call;
    int64_t at, written, played, window;
    int opened, refused, over, moved;
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
        else if (is(each, "t", "refused")) {
            a->refused = 1;
            if (a->opened && is(each, "code", "no_such_call")) a->moved = 1; /* its process was restarted since */
            else if (a->opened) a->over = 1;
        } else if (is(each, "t", "closed")) {
            Value moved = get(each, "moved");
            if (moved && moved->via.boolean) a->moved = 1;
            else a->over = 1;
        }
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
    a->refused = 0;
    say(a, "open", NULL, 0);
    for (long end = now() + PATIENCE; !a->opened && !a->refused && now() < end;) {
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

/* The media processes: over TCP each has a port, here a socket in the folder. How many there are. */
static size_t processes(char found[PROCESSES][ADDRESS], const char *where, Value ports) {
    size_t count = 0;
    glob_t files;
    for (uint32_t i = 0; i < length(ports) && count < PROCESSES; i++) {
        int host = (int)(strrchr(where, ':') - where);
        snprintf(found[count++], ADDRESS, "%.*s:%d", host, where, (int)ports->via.array.ptr[i].via.i64);
    }
    if (ports) return count;
    char pattern[ADDRESS];
    snprintf(pattern, sizeof pattern, "%s/audio-*", where);
    if (glob(pattern, 0, NULL, &files)) return 0;
    for (; count < files.gl_pathc && count < PROCESSES; count++)
        snprintf(found[count], ADDRESS, "ipc://%s", files.gl_pathv[count]);
    globfree(&files);
    return count;
}

/* One of them has the call, or will have it when it is on its way from another; asked until `end`. */
static void find(Audio *a, char all[PROCESSES][ADDRESS], size_t count, long end) {
    for (;; zmq_poll(NULL, 0, AGAIN)) {
        for (size_t i = 0; i < count && !a->opened; i++) opens(a, all[i]);
        if (a->opened || now() >= end) return;
    }
}

void audio(const char *where, Value ports, const char *call) {
    static Audio a;
    static char all[PROCESSES][ADDRESS];
    size_t count = processes(all, where, ports); /* `ports` stands until the next frame is received */
    a.call = call;
    token(a.tap);
    find(&a, all, count, now());
    if (!a.opened) die("no_such_call: no call of this id has audio");
    int more = 1; /* stdin has */
    for (long heard = now(); !a.over && (more || a.played < a.written);) {
        if (a.moved) {
            say(&a, "leave", NULL, 0);
            zmq_close(a.line);
            a.moved = a.opened = 0;
            find(&a, all, count, now() + MOVED);
            if (!a.opened) die("the audio of the call moved, and is nowhere");
        }
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
