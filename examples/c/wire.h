/* What the client stands on: maps of msgpack over DEALER sockets of ZeroMQ. */
#ifndef WIRE_H
#define WIRE_H
#include <msgpack.h>

enum { VERSION = 1, PATIENCE = 5000, REPEAT = 200, QUIET = 1000 }; /* milliseconds, all but the first */
typedef const msgpack_object *Value;
typedef struct {
    msgpack_sbuffer data;
    msgpack_packer out;
} Buffer;

extern void *context; /* of all sockets */

void die(const char *what);
long now(void);            /* milliseconds */
void token(char text[33]); /* random */

/* Pack by a pattern: {N and [N begin a map or array of N, s text, i int64_t, b int, f double, d data and its size_t. */
Buffer *buffer(void);
void drop(Buffer *made);
void put(Buffer *to, const char *pattern, ...);

/* What a key of a map has: as it is, as a number, as text (a copy of the last eight), and whether it is this word. */
Value get(Value map, const char *key);
int64_t number(Value map, const char *key);
const char *text(Value map, const char *key);
int is(Value map, const char *key, const char *word);
uint32_t length(Value array);

void *dealer(const char *address, char kind); /* over TCP with the key of the file that SIPACTORS_KEY names */
void transmit(void *line, Buffer *data);  /* and empty it; what finds no room is asked again anyway */
Value receive(void *line, long patience); /* the next frame, NULL where none comes; it stands until the next call */

void audio(const char *where, Value ports, const char *call); /* `ports` over TCP, else NULL */
#endif
