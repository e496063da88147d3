/* What libosip2 needs for the messages in the files named: nanoseconds to parse each, and to change and print each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <osipparser2/osip_parser.h>

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return at.tv_sec * 1e9 + at.tv_nsec;
}

static osip_message_t *parsed(const char *data, size_t length)
{
    osip_message_t *message;
    if (osip_message_init(&message) != 0 || osip_message_parse(message, data, length) != 0) {
        fprintf(stderr, "libosip2 refuses the message\n");
        exit(1);
    }
    return message;
}

static double parsing(const char *data, size_t length, int times)
{
    double begin = now();
    for (int i = 0; i < times; i++)
        osip_message_free(parsed(data, length));
    return (now() - begin) / times;
}

static double printing(const char *data, size_t length, int times)
{
    osip_message_t *message = parsed(data, length);
    osip_header_t *agent;
    char *text;
    size_t size;
    if (osip_message_get_user_agent(message, 0, &agent) < 0)
        exit(1);
    double begin = now();
    for (int i = 0; i < times; i++) {
        osip_free(agent->hvalue);
        agent->hvalue = osip_strdup(i & 1 ? "agent/1" : "agent/2");
        osip_message_force_update(message);
        if (osip_message_to_str(message, &text, &size) != 0)
            exit(1);
        osip_free(text);
    }
    double spent = (now() - begin) / times;
    osip_message_free(message);
    return spent;
}

int main(int count, char **names)
{
    static char data[65536];
    int times = atoi(names[1]);
    parser_init();
    for (int i = 2; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        if (file == NULL)
            return 1;
        size_t length = fread(data, 1, sizeof data - 1, file);
        fclose(file);
        data[length] = 0;
        printf("%f %f\n", parsing(data, length, times), printing(data, length, times));
    }
    return 0;
}
