#include "config/listen.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/units.h"
#include "core/addr.h"

__attribute__((format(printf, 2, 3))) static int refuse(char *message, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, LISTEN_MESSAGE_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

static int parse_address(const char *text, struct sockaddr_storage *ret, char *message)
{
    struct slice host, port;
    uint16_t number;

    if (strncmp(text, "unix:", 5) == 0)
        return refuse(message, "'%s': unix sockets are not supported by this version of hopgate",
                      text);
    if (addr_split_host_port(slice_of(text), &host, &port) < 0 || !port.ptr ||
        addr_parse_port(port, &number) < 0)
        return refuse(message, "'%s': write an address and a port, as 0.0.0.0:8000 or [::]:8000",
                      text);
    if (slice_equal(host, SLICE("localhost")))
        host = SLICE("127.0.0.1");
    if (slice_equal(host, SLICE("*")))
        host = SLICE("0.0.0.0");
    if (addr_parse_ip(host, number, ret) < 0)
        return refuse(message, "'%s': a host name cannot be listened on, write its IP address",
                      text);
    return 0;
}

/* "on", "off", or "idle:interval:count" in seconds where each part may be empty. */
static int parse_keepalive(const char *text, struct listen *listen, char *message)
{
    unsigned *const parts[] = { &listen->keepalive_idle_seconds,
                                &listen->keepalive_interval_seconds, &listen->keepalive_count };
    bool on;

    listen->keepalive = 1;
    if (units_parse_switch(text, &on) == 0) {
        listen->keepalive = on;
        return 0;
    }
    for (size_t i = 0; i < 3; i++) {
        char part[16];
        size_t length = strcspn(text, ":");
        uint64_t value = 0;
        if (length >= sizeof(part))
            return refuse(message, "so_keepalive: write on, off or idle:interval:count");
        memcpy(part, text, length);
        part[length] = '\0';
        /* idle and interval carry units, count is a number; both read as one when bare */
        if (length > 0 &&
            (i < 2 ? units_parse_time_ms(part, &value) : units_parse_number(part, &value)) < 0)
            return refuse(message, "so_keepalive: '%s' is no %s", part, i < 2 ? "time" : "number");
        value = i < 2 ? value / 1000 : value;
        if (value > INT_MAX)
            return refuse(message, "so_keepalive: '%s' is too large", part);
        *parts[i] = (unsigned)value;
        text += length;
        if ((*text == ':') != (i < 2))
            return refuse(message, "so_keepalive: write on, off or idle:interval:count");
        text += *text == ':';
    }
    return 0;
}

/* A flag with a value after '='; -ENOENT: none of them. */
static int parse_option(const char *word, struct listen *listen, char *message)
{
    const char *value = strchr(word, '=');
    size_t name_length = value ? (size_t)(value - word) : strlen(word);
    struct slice name = { word, name_length };
    uint64_t number;
    bool on;

    if (!value)
        return -ENOENT;
    value++;
    if (slice_equal(name, SLICE("backlog"))) {
        if (units_parse_number(value, &number) < 0 || number < 1 || number > INT_MAX)
            return refuse(message, "backlog=%s: write a number above 0", value);
        listen->backlog = (int)number;
        return 0;
    }
    if (slice_equal(name, SLICE("ipv6only"))) {
        if (units_parse_switch(value, &on) < 0)
            return refuse(message, "ipv6only=%s: write on or off", value);
        listen->ipv6only = on;
        return 0;
    }
    if (slice_equal(name, SLICE("so_keepalive")))
        return parse_keepalive(value, listen, message);
    return -ENOENT;
}

static int parse_flag(const char *word, struct listen *listen, char *message)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        { "ssl", &listen->ssl },
        { "http2", &listen->http2 },
        { "reuseport", &listen->reuseport },
        { "deferred", &listen->deferred },
        { "bind", &listen->bind },
        { "proxy_protocol", &listen->proxy_protocol },
    };
    int r;

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(word, flags[i].name) == 0) {
            *flags[i].flag = true;
            return 0;
        }
    }
    r = parse_option(word, listen, message);
    if (r == -ENOENT)
        return refuse(message,
                      "unknown flag '%s'; known are ssl, http2, proxy_protocol, reuseport, "
                      "deferred, bind, backlog=N, ipv6only=on|off, so_keepalive=…",
                      word);
    return r;
}

/* One entry between commas; `text` is cut into words in place. */
static int parse_entry(char *text, struct listen *ret, char *message)
{
    struct listen listen = { .backlog = -1, .ipv6only = -1, .keepalive = -1 };
    char *rest = NULL, *word = strtok_r(text, " \t", &rest);
    int r = word ? parse_address(word, &listen.address, message)
                 : refuse(message, "an entry between two commas is empty");

    while (r == 0 && (word = strtok_r(NULL, " \t", &rest)))
        r = parse_flag(word, &listen, message);
    if (r == 0 && listen.ipv6only >= 0 && listen.address.ss_family != AF_INET6)
        r = refuse(message, "'ipv6only' needs an IPv6 address");
    if (r == 0)
        *ret = listen;
    return r;
}

static int add_entry(struct listens *listens, char *text, char *message)
{
    struct listen *items = reallocarray(listens->items, listens->count + 1, sizeof(*items));
    int r;

    if (!items)
        return -ENOMEM;
    listens->items = items;
    r = parse_entry(text, &items[listens->count], message);
    if (r < 0)
        return r;
    for (size_t i = 0; i < listens->count; i++)
        if (addr_port(&items[i].address) != 0 &&
            addr_equal(&items[i].address, &items[listens->count].address))
            return refuse(message, "the same address twice: %s", text + strspn(text, " \t"));
    listens->count++;
    return 0;
}

int listens_parse(const char *text, struct listens *ret, char *message)
{
    struct listens listens = { 0 };
    char *copy, *rest, *entry;
    int r = 0;

    if (strcmp(text, "off") == 0) {
        *ret = listens;
        return 0;
    }
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    rest = copy;
    while (r == 0 && (entry = strsep(&rest, ",")))
        r = add_entry(&listens, entry, message);
    free(copy);
    if (r < 0)
        listens_done(&listens);
    else
        *ret = listens;
    return r;
}

void listens_done(struct listens *listens)
{
    free(listens->items);
    *listens = (struct listens){ 0 };
}
