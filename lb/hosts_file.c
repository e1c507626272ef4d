#include "lb/hosts_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/addr.h"

static int add(struct hosts_file *hosts, const struct sockaddr_storage *address, struct slice name)
{
    struct hosts_entry *grown;

    /* doubled whenever it is full, which a power of two tells */
    if ((hosts->count & (hosts->count - 1)) == 0) {
        grown = reallocarray(hosts->items, hosts->count > 0 ? hosts->count * 2 : 1, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        hosts->items = grown;
    }
    hosts->items[hosts->count] = (struct hosts_entry){ .name = strndup(name.ptr, name.len),
                                                       .address = *address,
                                                       .number = hosts->count };
    if (!hosts->items[hosts->count].name)
        return -ENOMEM;
    hosts->count++;
    return 0;
}

/* Cuts the next word off; empty: there is none. */
static struct slice next_word(struct slice *line)
{
    struct slice word;

    while (line->len > 0 && strchr(" \t\r", line->ptr[0]) && line->ptr[0])
        *line = (struct slice){ line->ptr + 1, line->len - 1 };
    word = (struct slice){ line->ptr, 0 };
    while (word.len < line->len && line->ptr[word.len] && !strchr(" \t\r", line->ptr[word.len]))
        word.len++;
    *line = (struct slice){ line->ptr + word.len, line->len - word.len };
    return word;
}

static int add_line(struct hosts_file *hosts, struct slice line)
{
    const char *comment = memchr(line.ptr, '#', line.len);
    struct sockaddr_storage address;
    struct slice word;
    int r = 0;

    if (comment)
        line.len = (size_t)(comment - line.ptr);
    word = next_word(&line);
    if (word.len == 0 || addr_parse_ip(word, 0, &address) < 0)
        return 0;
    while (r == 0 && (word = next_word(&line)).len > 0)
        r = add(hosts, &address, word);
    return r;
}

static int compare(const void *a, const void *b)
{
    const struct hosts_entry *one = a, *other = b;
    int order = strcasecmp(one->name, other->name);

    return order != 0 ? order : (one->number > other->number) - (one->number < other->number);
}

int hosts_file_parse(struct slice text, struct hosts_file *hosts)
{
    int r = 0;

    while (r == 0 && text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t length = end ? (size_t)(end - text.ptr) : text.len;

        r = add_line(hosts, (struct slice){ text.ptr, length });
        length += end != NULL;
        text = (struct slice){ text.ptr + length, text.len - length };
    }
    if (r < 0) {
        hosts_file_done(hosts);
        return r;
    }
    if (hosts->count > 0)
        qsort(hosts->items, hosts->count, sizeof(*hosts->items), compare);
    return 0;
}

int hosts_file_load(const char *path, struct hosts_file *hosts)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    ssize_t length;
    int r;

    if (!file)
        return -errno;
    errno = 0;
    length = getdelim(&text, &size, '\0', file); /* the whole file: it has no NUL */
    r = length < 0 ? -errno : 0;
    if (r == 0)
        r = hosts_file_parse((struct slice){ text, length < 0 ? 0 : (size_t)length }, hosts);
    free(text);
    (void)fclose(file); /* only read */
    return r;
}

const struct hosts_entry *hosts_file_find(const struct hosts_file *hosts, const char *name,
                                          size_t *ret_count)
{
    size_t low = 0, high = hosts->count, count = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcasecmp(hosts->items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + count < hosts->count && strcasecmp(hosts->items[low + count].name, name) == 0)
        count++;
    *ret_count = count;
    return count > 0 ? &hosts->items[low] : NULL;
}

void hosts_file_done(struct hosts_file *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        free(hosts->items[i].name);
    free(hosts->items);
    *hosts = (struct hosts_file){ 0 };
}
