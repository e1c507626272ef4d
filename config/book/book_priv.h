/*
 * book_priv: what the parts of the book share.
 *
 * Role    pages (the entities of one document, each with where it was read) and readings
 * Owns    see each struct
 * Thread  one
 */
#ifndef CONFIG_BOOK_PRIV_H
#define CONFIG_BOOK_PRIV_H

#include "config/book/book.h"

/* In the order in which they are compared: an sni touches its certificate. */
enum book_kind {
    BOOK_CERTIFICATES,
    BOOK_SNIS, /* read with their certificate */
    BOOK_CA_CERTIFICATES,
    BOOK_UPSTREAMS,
    BOOK_TARGETS, /* each by itself: an upstream may have many */
    BOOK_SERVICES,
    BOOK_ROUTES,
    BOOK_KINDS,
};

/* One call of config_load_entities. Its entities are never those of a configuration in use: these are
 * changed after loading (persona_defaults, entity_times), copies are not. */
struct book_reading {
    struct config *config;
    size_t uses; /* pieces of the page that was counted last */
    struct book_reading *next;
};

/* One entity of a document. */
struct book_piece {
    json_t *row;    /* borrowed of the page's list, as is id */
    const char *id; /* NULL: it has none */
    uint32_t hash;  /* of id */
    uint32_t index; /* in the reading; of a target: its upstream's */
    uint32_t part;  /* of a target: in that upstream */
    struct book_reading *reading;
    bool is_unread, is_wanted;
    bool alters_others; /* a service: of another protocol than before */
    uint32_t place;     /* in the document that is to be read */
};

struct book_list {
    json_t *rows; /* NULL: none */
    struct book_piece *pieces;
    size_t count;
};

struct book_slot {
    const char *text;
    uint32_t hash, value;
};

/* Finds positions by text; texts are borrowed. */
struct book_index {
    struct book_slot *slots;
    size_t mask;
};

struct book_page {
    struct book_list lists[BOOK_KINDS];
    json_t *settings;                    /* the document's own, hopgate:; NULL: none */
    struct book_index by_id[BOOK_KINDS]; /* of kinds that others refer to; else empty */
    size_t unread_count;
    bool has_changed; /* from the page before */
};

struct entity_book {
    struct book_page page;         /* as read last; empty: nothing was */
    struct book_reading *readings; /* newest first; NULL: what was read is not known in its parts */
    size_t readings_count;
    uint64_t version;
};

/* ---- book_index.c ---- */

uint32_t book_hash(const char *text);
int book_index_init(struct book_index *index, size_t count_max); /* 0 or -ENOMEM */
void book_index_done(struct book_index *index);
void book_index_add(struct book_index *index, const char *text, uint32_t hash, uint32_t value);
/* -1: it is not there, or text is NULL. */
int64_t book_index_find(const struct book_index *index, const char *text);

/* ---- book_page.c ---- */

/* The entities of the document, with what the book has of them; the rest is_unread. 0 or -ENOMEM. */
int book_page_open(struct book_page *page, const struct book_page *former, const json_t *document);
void book_page_close(struct book_page *page);

/* All of it is to be read. */
void book_page_unread(struct book_page *page);

/* The piece that a row refers to; NULL: there is none of that id. */
struct book_piece *book_page_referred(const struct book_page *page, enum book_kind kind,
                                      const json_t *row, const char *field);

/* ---- book_reading.c ---- */

/* What is unread, with what it refers to, is read from now on in *ret. 0, -EINVAL, -ENOMEM, -ENOENT: it
 * refers to what is not there, or came out as something else. */
int book_read_unread(struct book_page *page, const char *source, struct book_reading **ret,
                     struct config_errors *errors);
void book_reading_free(struct book_reading *reading); /* accepts NULL; one of a list */

/* ---- book_assemble.c ---- */

/* The configuration that the page stands for; it has texts of those readings that have uses. 0, -ENOMEM,
 * -ENOENT: a reference leads nowhere, or a target is there twice. */
int book_assemble(const struct book_page *page, const struct book_reading *readings,
                  const char *source, struct config **ret);

#endif
