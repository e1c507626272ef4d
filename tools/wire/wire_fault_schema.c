/* wire_fault_schema: the fields of a fault, and which kind takes which. */
#include <string.h>

#include "tools/cli/wrapped.h"
#include "tools/wire/wire_fault_priv.h"

#define STORED(member) \
    .offset = offsetof(struct wire_fault, member), .size = sizeof(((struct wire_fault *)0)->member)

/* A day, and a terabyte: beyond it somebody has mistaken the unit. */
#define MS_MAX    INT64_C(86400000)
#define BYTES_MAX (INT64_C(1) << 40)

#define WHOLE(field, member, least, most)                                                      \
    {                                                                                          \
        .name = (field), .type = SCHEMA_INTEGER, .min = (least), .max = (most), STORED(member) \
    }
#define TEXT(field, member)                                    \
    {                                                          \
        .name = (field), .type = SCHEMA_STRING, STORED(member) \
    }

static const struct schema_field fields[] = {
    { .name = "kind", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, STORED(kind_name) },
    { .name = "direction",
      .type = SCHEMA_STRING,
      .one_of = "both, to-server, to-client",
      .default_json = "\"both\"",
      STORED(direction_name) },
    TEXT("id", id),
    TEXT("wire", wire),
    { .name = "connection",
      .type = SCHEMA_INTEGER,
      .max = BYTES_MAX,
      .default_json = "0",
      STORED(connection) },
    { .name = "chance", .type = SCHEMA_NUMBER, .max = 1, .default_json = "1", STORED(chance) },
    WHOLE("ms", ms, 0, MS_MAX),
    WHOLE("jitter_ms", jitter_ms, 0, MS_MAX),
    WHOLE("after_ms", after_ms, 0, MS_MAX),
    WHOLE("after_bytes", after_bytes, 0, BYTES_MAX),
    WHOLE("bytes", bytes, 1, BYTES_MAX),
    WHOLE("pause_ms", pause_ms, 0, MS_MAX),
    WHOLE("bytes_per_second", bytes_per_second, 1, BYTES_MAX),
    WHOLE("burst_bytes", burst_bytes, 1, BYTES_MAX),
    WHOLE("offset", offset, 0, BYTES_MAX),
    WHOLE("one_in", one_in, 1, BYTES_MAX),
    WHOLE("mask", mask, 1, 255),
    WHOLE("count", count, 0, 1000000),
    { .name = "then", .type = SCHEMA_STRING, .one_of = "drop, reset, wait", STORED(then) },
    { .name = "to", .type = SCHEMA_STRING, .one_of = "client, server, both", STORED(to) },
};

const struct schema wire_fault_schema = { .name = "faults",
                                          .fields = fields,
                                          .fields_count = sizeof(fields) / sizeof(fields[0]) };

#define AFTER "after_ms, after_bytes"

const struct wire_fault_kind_row wire_fault_kind_rows[FAULT_KINDS] = {
    [FAULT_LATENCY] = { "latency", "ms", "jitter_ms", "bytes and ends arrive so much later" },
    [FAULT_BANDWIDTH] = { "bandwidth", "bytes_per_second", "burst_bytes",
                          "no more than that passes" },
    [FAULT_SLICE] = { "slice", "bytes", "pause_ms", "written in pieces of so many bytes" },
    [FAULT_CORRUPT] = { "corrupt", NULL, "offset, one_in, mask",
                        "bits of the byte there flip, or of one byte in so many" },
    [FAULT_STALL] = { "stall", NULL, AFTER,
                      "nothing passes and nothing is lost, until the fault is removed" },
    [FAULT_DROP] = { "drop", NULL, AFTER,
                     "bytes and ends vanish; both sides stay open and know nothing" },
    [FAULT_IDLE] = { "idle", "ms", "then",
                     "a flow without bytes for so long is forgotten: then=drop, or reset" },
    [FAULT_HALF_CLOSE] = { "half-close", NULL, AFTER,
                           "FIN to the receiver, the other direction goes on" },
    [FAULT_CUT] = { "cut", NULL, AFTER, "FIN to both sides" },
    [FAULT_RESET] = { "reset", NULL, AFTER ", to", "RST to client, server or both" },
    [FAULT_CONNECT_DELAY] = { "connect-delay", "ms", NULL, "the server is called so much later" },
    [FAULT_MAX_CONNECTIONS] = { "max-connections", "count", "then",
                                "one more is reset (then=reset) or waits (then=wait)" },
    [FAULT_ACCEPT_RESET] = { "accept-reset", NULL, "after_ms",
                             "accepted, then RST; the server is not called" },
    [FAULT_REFUSE] = { "refuse", NULL, NULL, "connections are refused" },
    [FAULT_BLACK_HOLE] = { "black-hole", NULL, NULL, "SYNs vanish: a connect hangs" },
};

const char *wire_fault_kind_name(enum wire_fault_kind kind)
{
    return wire_fault_kind_rows[kind].name;
}

bool wire_fault_kind_takes(const struct wire_fault_kind_row *row, const char *field)
{
    static const char common[] = "kind, id, wire, direction, connection, chance";

    return schema_list_has(common, field) || (row->required && strcmp(row->required, field) == 0) ||
           (row->optional && schema_list_has(row->optional, field));
}

enum { KIND_COLUMNS = 42 };

void wire_fault_print_kinds(FILE *stream)
{
    for (int i = 0; i < FAULT_KINDS; i++) {
        const struct wire_fault_kind_row *row = &wire_fault_kind_rows[i];
        char words[80];

        snprintf(words, sizeof(words), "%s%s%s%s%s%s", row->name,
                 row->required || row->optional ? ":" : "", row->required ? row->required : "",
                 row->optional ? "[" : "", row->optional ? row->optional : "",
                 row->optional ? "]" : "");
        (void)fprintf(stream, "  %-*s ", KIND_COLUMNS, words);
        wrapped_print(stream, 3 + KIND_COLUMNS, 3 + KIND_COLUMNS, row->what);
    }
}
