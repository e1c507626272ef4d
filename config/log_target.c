#include "config/log_target.h"

/* The next word; empty at the end. */
static struct slice take_word(struct slice *rest)
{
    struct slice word;

    while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t'))
        *rest = slice_from(*rest, 1);
    word = *rest;
    while (rest->len > 0 && rest->ptr[0] != ' ' && rest->ptr[0] != '\t')
        *rest = slice_from(*rest, 1);
    word.len -= rest->len;
    return word;
}

struct log_target log_target_of(const char *text)
{
    struct slice rest = slice_of(text);
    struct log_target target = { .path = take_word(&rest) };
    struct slice word = take_word(&rest);

    if (slice_starts_with(target.path, SLICE("syslog:")))
        target.refused = target.path;
    for (bool is_first = true; word.len > 0; word = take_word(&rest), is_first = false) {
        if (slice_starts_with(word, SLICE("buffer=")) || slice_starts_with(word, SLICE("flush=")))
            target.is_buffered = true;
        else if (is_first && !memchr(word.ptr, '=', word.len))
            target.format = word;
        else
            target.refused = word;
    }
    return target;
}
