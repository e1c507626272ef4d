#include "tools/lab/command_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_room(struct command_line *line)
{
    size_t capacity = line->capacity > 0 ? line->capacity * 2 : 16;
    char **words;

    if (line->count + 1 < line->capacity)
        return true;
    words = realloc(line->words, capacity * sizeof(*words));
    if (!words)
        return false;
    line->words = words;
    line->capacity = capacity;
    return true;
}

void command_line_add(struct command_line *line, const char *format, ...)
{
    char *word = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&word, format, args) < 0)
        word = NULL;
    va_end(args);
    if (!word || !has_room(line)) {
        free(word);
        line->failed = true;
        return;
    }
    line->words[line->count++] = word;
    line->words[line->count] = NULL;
}

void command_line_done(struct command_line *line)
{
    for (size_t i = 0; i < line->count; i++)
        free(line->words[i]);
    free(line->words);
    *line = (struct command_line){ .count = 0 };
}
