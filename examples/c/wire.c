/* Maps of msgpack over DEALER sockets of ZeroMQ. */
#include "wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <zmq.h>

void *context;

void die(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}
long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
void token(char text[33]) {
    unsigned char r[16];
    if (getrandom(r, 16, 0) != 16) die("no random");
    for (int i = 0; i < 16; i++) sprintf(text + 2 * i, "%02x", r[i]);
}

Buffer *buffer(void) {
    Buffer *made = malloc(sizeof *made);
    msgpack_sbuffer_init(&made->data);
    msgpack_packer_init(&made->out, &made->data, msgpack_sbuffer_write);
    return made;
}

void drop(Buffer *made) {
    msgpack_sbuffer_destroy(&made->data);
    free(made);
}

void put(Buffer *to, const char *pattern, ...) {
    msgpack_packer *out = &to->out;
    va_list values;
    va_start(values, pattern);
    for (const char *p = pattern; *p; p++) {
        if (*p == '{') msgpack_pack_map(out, (size_t)(*++p - '0'));
        else if (*p == '[') msgpack_pack_array(out, (size_t)(*++p - '0'));
        else if (*p == 's') {
            const char *text = va_arg(values, const char *);
            msgpack_pack_str_with_body(out, text, strlen(text));
        } else if (*p == 'i') msgpack_pack_int64(out, va_arg(values, int64_t));
        else if (*p == 'b') {
            if (va_arg(values, int)) msgpack_pack_true(out);
            else msgpack_pack_false(out);
        } else if (*p == 'f') msgpack_pack_double(out, va_arg(values, double));
        else if (*p == 'd') {
            const void *data = va_arg(values, void *);
            msgpack_pack_bin_with_body(out, data, va_arg(values, size_t));
        }
    }
    va_end(values);
}

Value get(Value map, const char *key) {
    for (uint32_t i = 0; map && map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR && pair->key.via.str.size == strlen(key) &&
            !memcmp(pair->key.via.str.ptr, key, strlen(key)))
            return &pair->val;
    }
    return NULL;
}
int64_t number(Value map, const char *key) {
    Value v = get(map, key);
    return v && (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER || v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) ? v->via.i64
                                                                                                           : 0;
}
const char *text(Value map, const char *key) { /* a copy of the last eight */
    static char kept[8][512];
    static int next;
    Value v = get(map, key);
    char *copy = kept[next++ % 8];
    snprintf(copy, sizeof kept[0], "%.*s", v && v->type == MSGPACK_OBJECT_STR ? (int)v->via.str.size : 0,
             v && v->type == MSGPACK_OBJECT_STR ? v->via.str.ptr : "");
    return copy;
}
uint32_t length(Value array) { return array && array->type == MSGPACK_OBJECT_ARRAY ? array->via.array.size : 0; }
int is(Value map, const char *key, const char *word) { return !strcmp(text(map, key), word); }

static void use_key(void *line) {
    static const struct {
        const char *name;
        int option;
    } parts[] = {
        {"server", ZMQ_CURVE_SERVERKEY}, {"public", ZMQ_CURVE_PUBLICKEY}, {"secret", ZMQ_CURVE_SECRETKEY}};
    const char *path = getenv("SIPACTORS_KEY");
    FILE *file = path ? fopen(path, "r") : NULL;
    char row[256], name[16], value[41];
    int interval = 2000;
    if (!file) die("over TCP SIPACTORS_KEY has to name the file of a key");
    while (fgets(row, sizeof row, file))
        if (sscanf(row, "%15s = \"%40[^\"]\"", name, value) == 2)
            for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
                if (!strcmp(name, parts[i].name) && zmq_setsockopt(line, parts[i].option, value, 41))
                    die(zmq_strerror(errno));
    fclose(file);
    zmq_setsockopt(line, ZMQ_HEARTBEAT_IVL, &interval, sizeof interval);
}

/* The identity is ours over reconnections: calls are claimed under it. */
void *dealer(const char *address, char kind) {
    void *line = zmq_socket(context, ZMQ_DEALER);
    int quick = 1, slow = 50, linger = 100;
    char name[34] = {kind};
    token(name + 1);
    zmq_setsockopt(line, ZMQ_ROUTING_ID, name, 33);
    zmq_setsockopt(line, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(line, ZMQ_RECONNECT_IVL, &quick, sizeof quick);
    zmq_setsockopt(line, ZMQ_RECONNECT_IVL_MAX, &slow, sizeof slow);
    if (!strncmp(address, "tcp:", 4)) use_key(line);
    if (zmq_connect(line, address)) die(zmq_strerror(errno));
    return line;
}
void transmit(void *line, Buffer *data) {
    zmq_send(line, data->data.data, data->data.size, ZMQ_DONTWAIT);
    msgpack_sbuffer_clear(&data->data);
}

Value receive(void *line, long patience) {
    static char *kept; /* text and data of the frame point into it */
    static msgpack_unpacked unpacked;
    zmq_pollitem_t poll = {line, 0, ZMQ_POLLIN, 0};
    zmq_msg_t message;
    Value frame = NULL;
    if (zmq_poll(&poll, 1, patience > 0 ? patience : 0) <= 0) return NULL;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, line, ZMQ_DONTWAIT) >= 0) {
        size_t size = zmq_msg_size(&message);
        kept = realloc(kept, size + 1);
        memcpy(kept, zmq_msg_data(&message), size);
        msgpack_unpacked_destroy(&unpacked);
        msgpack_unpacked_init(&unpacked);
        if (msgpack_unpack_next(&unpacked, kept, size, NULL) == MSGPACK_UNPACK_SUCCESS &&
            number(&unpacked.data, "v") == VERSION)
            frame = &unpacked.data;
    }
    zmq_msg_close(&message);
    return frame;
}
