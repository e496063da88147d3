/* A reference client of the sipactors control API (docs/api/asyncapi.yaml, audio.yaml) in C.
 *
 *   make && ./client /run/user/1000/sipactors place sip:echo@127.0.0.1:5060
 *   ./client /run/user/1000/sipactors events 0
 *   ./client /run/user/1000/sipactors audio CALL < said.raw > heard.raw       s16le mono at 8 kHz, until all was played
 *   SIPACTORS_KEY=bot.toml ./client tcp://192.0.2.7:5070 events 0
 *
 * A command is repeated under its key until it is answered, so it takes effect once; events come once, in order, over
 * restarts of the service; audio goes on over a restart of the media process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "wire.h"

enum { WINDOW = 256 }; /* events in flight */

/* All of a request but its body, which follows. */
static void request(Buffer *out, const char *id, const char *op, const char *key) {
    put(out, "{6sisssssssfs", "v", (int64_t)VERSION, "id", id, "op", op, "key", key, "within", PATIENCE / 1e3, "body");
}

/* See a command through: its body is packed in `body`. The result, of which there is one part. */
static Value ask(void *line, const char *op, Buffer *body) {
    char id[33], key[33];
    long end = now() + PATIENCE, again = 0, pause = REPEAT;
    Buffer *data = buffer();
    token(id);
    token(key);
    while (now() < end) {
        if (now() >= again) {
            request(data, id, op, key);
            msgpack_sbuffer_write(&data->data, body->data.data, body->data.size);
            transmit(line, data);
            again = now() + pause;
            pause = pause < QUIET ? 2 * pause : QUIET;
        }
        Value frame = receive(line, again - now());
        if (!frame || !is(frame, "id", id)) continue;
        if (is(frame, "t", "refused")) {
            fprintf(stderr, "%s: %s\n", text(frame, "code"), text(frame, "message"));
            exit(1);
        }
        if (is(frame, "t", "done")) {
            drop(data);
            return get(frame, "result");
        }
    }
    die("the service does not answer");
    return NULL;
}

typedef struct {
    void *line;
    char id[33], log[65];
    int64_t position, newest, credited;
} Stream;

static void subscribe(Stream *s, int idle) {
    Buffer *data = buffer();
    s->credited = s->position;
    request(data, s->id, "subscribe", "");
    put(data, "{4sisisssb", "since", s->position, "window", (int64_t)WINDOW, "log", s->log, "idle", idle);
    transmit(s->line, data);
    drop(data);
}

/* Hand every event to `each` once and in order, until it says stop or the service does. A gap comes with no event. */
static void follow(Stream *s, int (*each)(Value event, int64_t lost, const char *call), const char *call) {
    for (subscribe(s, 1);;) {
        Value frame = receive(s->line, QUIET);
        if (!frame) { /* quiet: the service may have been restarted, ask from where we are */
            subscribe(s, 1);
            continue;
        }
        if (!is(frame, "id", s->id)) continue;
        if (is(frame, "t", "bye") || is(frame, "t", "refused")) return;
        if (is(frame, "t", "subscribed")) {
            snprintf(s->log, sizeof s->log, "%s", text(frame, "log"));
            if (s->position < 0) s->position = s->newest = s->credited = number(frame, "since");
        } else if (is(frame, "t", "gap") && (is(frame, "reason", "new_log") ? number(frame, "after") == s->newest
                                                                            : number(frame, "next") - 1 > s->newest)) {
            s->newest = number(frame, "next") - 1;
            if (each(NULL, s->newest, call)) return;
        } else if (is(frame, "t", "events") && number(frame, "after") > s->newest) {
            subscribe(s, 1); /* the frame before was lost with a connection */
        } else if (is(frame, "t", "events")) {
            Value events = get(frame, "events");
            for (uint32_t i = 0; i < length(events); i++) {
                Value event = &events->via.array.ptr[i];
                if (number(event, "seq") <= s->newest) continue; /* sent again after a quiet time */
                s->newest = number(event, "seq");
                if (each(event, 0, call)) return;
            }
            if (number(frame, "last") > s->newest) s->newest = number(frame, "last");
        }
        s->position = s->newest;
        if (s->position - s->credited >= WINDOW / 2) subscribe(s, 0);
    }
}

static int print(Value event, int64_t lost, const char *call) {
    if (call && (!event || !is(event, "call", call))) return 0;
    if (event)
        printf("%lld %s %s %s\n", (long long)number(event, "seq"), text(event, "type"), text(event, "call"),
               text(event, "outcome"));
    else printf("%lld Lost\n", (long long)lost);
    fflush(stdout);
    return call && is(event, "type", "CallEnded");
}

int main(int count, char **words) {
    if (count < 3) die("usage: client RUN_DIR|tcp://ADDRESS:PORT hello | events [SINCE] | place URI | audio CALL");
    char address[512];
    int remote = !strncmp(words[1], "tcp:", 4);
    snprintf(address, sizeof address, remote ? "%s" : "ipc://%s/control", words[1]);
    context = zmq_ctx_new();
    void *line = dealer(address, 'c');
    Buffer *body = buffer();
    Stream stream = {.line = dealer(address, 'c'), .position = count > 3 ? atoll(words[3]) : -1};
    stream.newest = stream.position;
    token(stream.id);
    if (!strcmp(words[2], "events")) follow(&stream, print, NULL);
    else if (!strcmp(words[2], "audio") && count > 3) {
        put(body, "{0");
        audio(words[1], remote ? get(ask(line, "hello", body), "audio") : NULL, words[3]);
    }
    else if (!strcmp(words[2], "place") && count > 3) {
        put(body, "{2sssf", "uri", words[3], "duration", 1.0);
        char call[256];
        snprintf(call, sizeof call, "%s", text(ask(line, "place", body), "call"));
        printf("Placed %s\n", call);
        stream.position = stream.newest = 0; /* all that is kept: its first events may be past already */
        follow(&stream, print, call);
    } else {
        put(body, "{0");
        Value welcome = ask(line, words[2], body);
        printf("version %s\n", text(welcome, "version"));
    }
    zmq_close(line);
    zmq_close(stream.line);
    zmq_ctx_term(context);
    return 0;
}
