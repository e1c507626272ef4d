/*
 * book_reading: the document of what has to be read, and where each of its entities is afterwards.
 *
 * An entity is read with what it refers to, once more if that is known already: a reference that leads
 * nowhere is a mistake.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/book/book_priv.h"
#include "config/declarative.h"

/* ---- the document -------------------------------------------------------------------------- */

struct wanted {
    struct book_page *page;
    json_t *lists[BOOK_KINDS];
    struct book_piece **pieces[BOOK_KINDS]; /* in the order of the lists */
};

static int want(struct wanted *wanted, enum book_kind kind, struct book_piece *piece)
{
    size_t place = json_array_size(wanted->lists[kind]);

    if (piece->is_wanted)
        return 0;
    if (json_array_append(wanted->lists[kind], piece->row) < 0)
        return -ENOMEM;
    wanted->pieces[kind][place] = piece;
    piece->place = (uint32_t)place;
    piece->is_wanted = true;
    return 0;
}

static int want_id(struct wanted *wanted, enum book_kind kind, const char *id)
{
    int64_t at = book_index_find(&wanted->page->by_id[kind], id);

    return at < 0 ? -ENOENT : want(wanted, kind, &wanted->page->lists[kind].pieces[at]);
}

/* What one field refers to: nothing, one, or several. */
static int want_referred(struct wanted *wanted, enum book_kind kind, const struct book_piece *piece,
                         const char *field)
{
    const json_t *value = json_object_get(piece->row, field);
    int r = 0;

    if (!value || json_is_null(value))
        return 0;
    if (!json_is_array(value))
        return want_id(wanted, kind, json_string_value(value));
    for (size_t i = 0; r == 0 && i < json_array_size(value); i++)
        r = want_id(wanted, kind, json_string_value(json_array_get(value, i)));
    return r;
}

static int want_all_referred(struct wanted *wanted)
{
    static const struct {
        enum book_kind from, to;
        const char *field;
    } references[] = {
        { BOOK_ROUTES, BOOK_SERVICES, "service" }, /* first: what it brings refers further */
        { BOOK_TARGETS, BOOK_UPSTREAMS, "upstream" },
        { BOOK_SERVICES, BOOK_CERTIFICATES, "client_certificate" },
        { BOOK_SERVICES, BOOK_CA_CERTIFICATES, "ca_certificates" },
        { BOOK_UPSTREAMS, BOOK_CERTIFICATES, "client_certificate" },
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++)
        for (size_t k = 0; r == 0 && k < json_array_size(wanted->lists[references[i].from]); k++)
            r = want_referred(wanted, references[i].to, wanted->pieces[references[i].from][k],
                              references[i].field);
    return r;
}

/* An sni goes with its certificate; one that has none is for the reader to refuse. */
static int want_snis(struct wanted *wanted)
{
    struct book_list *snis = &wanted->page->lists[BOOK_SNIS];
    int r = 0;

    for (size_t i = 0; r == 0 && i < snis->count; i++) {
        const struct book_piece *certificate =
            book_page_referred(wanted->page, BOOK_CERTIFICATES, snis->pieces[i].row, "certificate");
        if (!certificate || certificate->is_unread)
            r = want(wanted, BOOK_SNIS, &snis->pieces[i]);
    }
    return r;
}

static int want_unread(struct wanted *wanted)
{
    int r = 0;

    for (int kind = 0; kind < BOOK_KINDS; kind++) {
        struct book_list *list = &wanted->page->lists[kind];
        for (size_t i = 0; r == 0 && kind != BOOK_SNIS && i < list->count; i++)
            if (list->pieces[i].is_unread)
                r = want(wanted, (enum book_kind)kind, &list->pieces[i]);
    }
    if (r == 0)
        r = want_snis(wanted);
    return r == 0 ? want_all_referred(wanted) : r;
}

static int wanted_init(struct wanted *wanted, struct book_page *page)
{
    *wanted = (struct wanted){ .page = page };
    for (int kind = 0; kind < BOOK_KINDS; kind++) {
        wanted->lists[kind] = json_array();
        wanted->pieces[kind] = calloc(page->lists[kind].count + 1, sizeof(struct book_piece *));
        if (!wanted->lists[kind] || !wanted->pieces[kind])
            return -ENOMEM;
    }
    return 0;
}

static void wanted_done(struct wanted *wanted)
{
    for (int kind = 0; kind < BOOK_KINDS; kind++) {
        json_decref(wanted->lists[kind]);
        free(wanted->pieces[kind]);
    }
}

/* A new reference; NULL: no memory. */
static json_t *document_of(const struct wanted *wanted)
{
    json_t *document = json_pack("{s:s}", "_format_version", "3.0");

    for (int kind = 0; document && kind < BOOK_KINDS; kind++)
        if (json_object_set(document, entity_book_kinds[kind], wanted->lists[kind]) < 0)
            json_decref(TAKE(document));
    return document;
}

/* ---- where it is --------------------------------------------------------------------------- */

static const char *id_at(const struct config *config, enum book_kind kind, size_t index)
{
    switch (kind) {
    case BOOK_CERTIFICATES:
        return index < config->certificates_count ? config->certificates[index].id : NULL;
    case BOOK_CA_CERTIFICATES:
        return index < config->ca_certificates_count ? config->ca_certificates[index].id : NULL;
    case BOOK_UPSTREAMS:
        return index < config->upstreams_count ? config->upstreams[index].id : NULL;
    case BOOK_SERVICES:
        return index < config->services_count ? config->services[index].id : NULL;
    case BOOK_ROUTES:
        return index < config->routes_count ? config->routes[index].id : NULL;
    case BOOK_SNIS:
    case BOOK_TARGETS:
    case BOOK_KINDS:
        break;
    }
    return NULL;
}

static void settle(struct book_piece *piece, struct book_reading *reading, size_t index,
                   size_t part)
{
    if (piece->is_unread) { /* else it was only referred to */
        piece->reading = reading;
        piece->index = (uint32_t)index;
        piece->part = (uint32_t)part;
    }
}

/* As the reader has them: each list in its order. */
static int settle_list(const struct wanted *wanted, enum book_kind kind,
                       struct book_reading *reading)
{
    for (size_t i = 0; i < json_array_size(wanted->lists[kind]); i++) {
        struct book_piece *piece = wanted->pieces[kind][i];
        const char *id = id_at(reading->config, kind, i);

        if (!id || !piece->id || strcmp(id, piece->id) != 0)
            return -ENOENT;
        settle(piece, reading, i, 0);
    }
    return 0;
}

/* Those of an upstream follow each other as in the list of all. */
static int settle_targets(const struct wanted *wanted, struct book_reading *reading)
{
    size_t *parts = calloc(reading->config->upstreams_count + 1, sizeof(*parts));
    int r = parts ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < json_array_size(wanted->lists[BOOK_TARGETS]); i++) {
        struct book_piece *piece = wanted->pieces[BOOK_TARGETS][i];
        const struct book_piece *upstream =
            book_page_referred(wanted->page, BOOK_UPSTREAMS, piece->row, "upstream");
        size_t part = upstream ? parts[upstream->place]++ : 0;

        if (!upstream || part >= reading->config->upstreams[upstream->place].targets_count)
            r = -ENOENT;
        else
            settle(piece, reading, upstream->place, part);
    }
    free(parts);
    return r;
}

static int settle_all(const struct wanted *wanted, struct book_reading *reading)
{
    int r = 0;

    for (int kind = 0; r == 0 && kind < BOOK_KINDS; kind++)
        if (kind != BOOK_TARGETS && kind != BOOK_SNIS)
            r = settle_list(wanted, (enum book_kind)kind, reading);
    return r == 0 ? settle_targets(wanted, reading) : r;
}

static void forget_marks(struct book_page *page)
{
    for (int kind = 0; kind < BOOK_KINDS; kind++)
        for (size_t i = 0; i < page->lists[kind].count; i++)
            page->lists[kind].pieces[i].is_wanted = false;
}

/* ---- reading ------------------------------------------------------------------------------- */

void book_reading_free(struct book_reading *reading)
{
    if (!reading)
        return;
    config_free(reading->config);
    free(reading);
}

static int read_wanted(const struct wanted *wanted, const char *source,
                       struct book_reading *reading, struct config_errors *errors)
{
    json_t *document = document_of(wanted);
    int r = document ? config_load_entities(document, source, &reading->config, errors) : -ENOMEM;

    json_decref(document);
    return r == 0 ? settle_all(wanted, reading) : r;
}

int book_read_unread(struct book_page *page, const char *source, struct book_reading **ret,
                     struct config_errors *errors)
{
    struct book_reading *reading = calloc(1, sizeof(*reading));
    struct wanted wanted;
    int r = wanted_init(&wanted, page);

    if (r == 0 && !reading)
        r = -ENOMEM;
    if (r == 0)
        r = want_unread(&wanted);
    if (r == 0)
        r = read_wanted(&wanted, source, reading, errors);
    forget_marks(page);
    wanted_done(&wanted);
    if (r == 0)
        *ret = TAKE(reading);
    book_reading_free(reading);
    return r;
}
