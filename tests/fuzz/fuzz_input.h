/*
 * fuzz_input: what the HTTP fuzzers make of their bytes, and how they say that a property broke.
 *
 * Role    one layout for all: options, how many cuts (modulo 16), the cuts, then what is on the wire
 * Owns    nothing; slices point into the input
 * Thread  any
 */
#ifndef TESTS_FUZZ_FUZZ_INPUT_H
#define TESTS_FUZZ_FUZZ_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/slice.h"

enum { FUZZ_CUTS_MODULUS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
    unsigned options; /* one byte, each fuzzer's own */
    struct slice schedule;
    struct slice bytes;
};

static inline bool fuzz_input_read(const uint8_t *data, size_t size, struct fuzz_input *ret_input)
{
    struct slice rest = { (const char *)data, size };
    size_t cuts;

    if (size < 2)
        return false;
    cuts = data[1] % FUZZ_CUTS_MODULUS;
    rest = slice_from(rest, 2);
    if (cuts > rest.len)
        return false;
    *ret_input = (struct fuzz_input){ data[0], { rest.ptr, cuts }, slice_from(rest, cuts) };
    return true;
}

static inline void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "property broken: %s\n", what);
    abort();
}

/* Both are texts; a difference shows both. */
static inline void require_same(struct slice first, struct slice second, const char *what)
{
    if (slice_equal(first, second))
        return;
    fprintf(stderr, "---- one account\n%.*s\n---- the other\n%.*s\n", SLICE_ARG(first),
            SLICE_ARG(second));
    require(false, what);
}

/*
 * What was written must not be readable in two ways: every line ends with CRLF, and neither of the
 * two nor NUL stands anywhere else; no line begins with a blank. `bytes` is a head.
 */
static inline void require_clean_lines(struct slice bytes, size_t lines)
{
    size_t found = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        bool after_cr = i > 0 && bytes.ptr[i - 1] == '\r';
        bool line_begins = i == 0 || bytes.ptr[i - 1] == '\n';

        require(c != '\0', "NUL was written");
        require((c == '\n') == after_cr, "CR or LF was written alone");
        require(!line_begins || (c != ' ' && c != '\t'), "a folded line was written");
        found += c == '\n';
    }
    require(bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\n', "a head does not end its last line");
    require(found == lines, "fields became more or fewer lines");
}

#endif
