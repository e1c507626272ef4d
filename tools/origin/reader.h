/*
 * reader: mappings of a script, checked against a table of their members.
 *
 * Role    what script, fault and step readers share: every mistake gets its place and its fix
 * Owns    nothing
 * Thread  any
 *
 * A read function returns false when there is no memory; mistakes only go to reader->errors.
 */
#ifndef TOOLS_ORIGIN_READER_H
#define TOOLS_ORIGIN_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/document.h"

struct fault_library;

struct reader {
    struct config_errors *errors;
    const struct fault_library
        *builtin;                    /* what a name may stand for; NULL while it is being read */
    const struct fault_library *own; /* of the script; NULL: none */
};

struct reader_member {
    const char *name;
    bool (*read)(struct reader *reader, const struct document_node *node, void *into);
    bool required;
};

__attribute__((format(printf, 3, 4))) void reader_fail(struct reader *reader,
                                                       const struct document_node *node,
                                                       const char *format, ...);

/* The last member has no name. */
bool reader_mapping(struct reader *reader, const struct document_node *node, const char *what,
                    const struct reader_member *members, void *into);

bool reader_is_list(struct reader *reader, const struct document_node *node, const char *what);

/* A heap copy; an earlier one in *into is freed. Must be a string. */
bool reader_string(struct reader *reader, const struct document_node *node, char **into);

/* Each of false means only that *ret stays as it was: the mistake was told. */
bool reader_count(struct reader *reader, const struct document_node *node, uint64_t min,
                  uint64_t max, uint64_t *ret);
bool reader_number(struct reader *reader, const struct document_node *node, double min, double max,
                   double *ret);
bool reader_boolean(struct reader *reader, const struct document_node *node, bool *ret);

/* The index of a word in the list, NULL at its end; -1 after the mistake was told. */
int reader_word(struct reader *reader, const struct document_node *node, const char *const *words);

/*
 * Bytes: a string whose characters up to U+00FF are a byte each, or {hex: "0d 0a"}, or {base64: ...}.
 * Appended to the heap bytes in *bytes, *length.
 */
bool reader_bytes(struct reader *reader, const struct document_node *node, char **bytes,
                  size_t *length);

#endif
