/*
 * book_page: what of a document is as it was, and what has to be read.
 *
 * Both documents have their entities in the order of their ids, so one walk through both finds what is
 * new, gone or changed. Out of that order more would be read than needed, nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/book/book_priv.h"

const char *const entity_book_kinds[] = {
    [BOOK_CERTIFICATES] = "certificates",
    [BOOK_SNIS] = "snis",
    [BOOK_CA_CERTIFICATES] = "ca_certificates",
    [BOOK_UPSTREAMS] = "upstreams",
    [BOOK_TARGETS] = "targets",
    [BOOK_SERVICES] = "services",
    [BOOK_ROUTES] = "routes",
    [BOOK_KINDS] = NULL,
};

/* ---- comparing ----------------------------------------------------------------------------- */

/* Says nothing about traffic. */
static bool is_remark(const char *field)
{
    return strcmp(field, "tags") == 0 || strcmp(field, "updated_at") == 0;
}

static bool says_the_same(json_t *row, json_t *other)
{
    const char *field;
    json_t *value;

    if (json_object_size(row) != json_object_size(other))
        return false;
    json_object_foreach(row, field, value)
    {
        const json_t *of_other = json_object_get(other, field);
        if (!of_other || (!is_remark(field) && !json_equal(value, of_other)))
            return false;
    }
    return true;
}

static const char *id_of(const json_t *row)
{
    return json_string_value(json_object_get(row, "id"));
}

/* As strcmp; what has no id comes first. */
static int compare_ids(const char *one, const char *other)
{
    if (!one || !other)
        return (one != NULL) - (other != NULL);
    return strcmp(one, other);
}

struct book_piece *book_page_referred(const struct book_page *page, enum book_kind kind,
                                      const json_t *row, const char *field)
{
    int64_t at =
        book_index_find(&page->by_id[kind], json_string_value(json_object_get(row, field)));

    return at < 0 ? NULL : &page->lists[kind].pieces[at];
}

/* ---- marking ------------------------------------------------------------------------------- */

static void mark_unread(struct book_page *page, struct book_piece *piece)
{
    page->unread_count += !piece->is_unread;
    piece->is_unread = true;
    piece->reading = NULL;
    page->has_changed = true;
}

/* What has changed takes others with it. row: as it was or as it is. */
static void mark_touched(struct book_page *page, enum book_kind kind, const json_t *row)
{
    struct book_piece *certificate = NULL;

    page->has_changed = true;
    if (kind == BOOK_SNIS)
        certificate = book_page_referred(page, BOOK_CERTIFICATES, row, "certificate");
    if (certificate)
        mark_unread(page, certificate);
}

/* Which routes may lead to a service is a matter of its protocol. */
static void mark_routes(struct book_page *page)
{
    struct book_list *routes = &page->lists[BOOK_ROUTES];

    for (size_t i = 0; i < routes->count; i++) {
        const struct book_piece *service =
            book_page_referred(page, BOOK_SERVICES, routes->pieces[i].row, "service");
        if (service && service->alters_others)
            mark_unread(page, &routes->pieces[i]);
    }
}

/* ---- one list ------------------------------------------------------------------------------ */

static void take_changed(struct book_page *page, enum book_kind kind, struct book_piece *piece,
                         json_t *row)
{
    const json_t *was = json_object_get(piece->row, "protocol");
    const json_t *is = json_object_get(row, "protocol");

    mark_touched(page, kind, piece->row);
    mark_touched(page, kind, row);
    mark_unread(page, piece);
    piece->alters_others = kind == BOOK_SERVICES && !(was && is && json_equal(was, is));
}

/* piece: as it was on the page before. */
static void take_known(struct book_page *page, enum book_kind kind, struct book_piece *piece,
                       json_t *row)
{
    if (piece->row == row)
        return;
    if (!says_the_same(piece->row, row))
        take_changed(page, kind, piece, row);
    piece->row = row;
    piece->id = id_of(row);
}

static void take_new(struct book_page *page, enum book_kind kind, struct book_piece *piece,
                     json_t *row)
{
    const char *id = id_of(row);

    *piece = (struct book_piece){ .row = row, .id = id, .hash = book_hash(id) };
    mark_unread(page, piece);
    mark_touched(page, kind, row);
}

static void compare_lists(struct book_page *page, enum book_kind kind,
                          const struct book_list *former)
{
    struct book_list *list = &page->lists[kind];
    size_t k = 0;

    for (size_t i = 0; i < list->count; i++) {
        json_t *row = json_array_get(list->rows, i);
        int order = 1; /* of the former one to this one */

        while (k < former->count && former->pieces[k].row != row &&
               (order = compare_ids(former->pieces[k].id, id_of(row))) < 0)
            mark_touched(page, kind, former->pieces[k++].row); /* gone */
        if (k == former->count || (former->pieces[k].row != row && order > 0)) {
            take_new(page, kind, &list->pieces[i], row);
            continue;
        }
        list->pieces[i] = former->pieces[k++];
        take_known(page, kind, &list->pieces[i], row);
    }
    while (k < former->count)
        mark_touched(page, kind, former->pieces[k++].row);
}

static bool is_referred_to(enum book_kind kind)
{
    return kind == BOOK_CERTIFICATES || kind == BOOK_CA_CERTIFICATES || kind == BOOK_UPSTREAMS ||
           kind == BOOK_SERVICES;
}

static int index_list(struct book_page *page, enum book_kind kind)
{
    const struct book_list *list = &page->lists[kind];

    if (!is_referred_to(kind))
        return 0;
    if (book_index_init(&page->by_id[kind], list->count) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++)
        book_index_add(&page->by_id[kind], list->pieces[i].id, list->pieces[i].hash, (uint32_t)i);
    return 0;
}

/* ---- the page ------------------------------------------------------------------------------ */

static int open_list(struct book_page *page, enum book_kind kind, const struct book_list *former,
                     const json_t *document)
{
    struct book_list *list = &page->lists[kind];

    list->rows = json_incref(json_object_get(document, entity_book_kinds[kind]));
    list->count = json_array_size(list->rows);
    list->pieces = calloc(list->count + 1, sizeof(*list->pieces));
    if (!list->pieces)
        return -ENOMEM;
    compare_lists(page, kind, former);
    return index_list(page, kind);
}

static void take_settings(struct book_page *page, const struct book_page *former,
                          const json_t *document)
{
    page->settings = json_incref(json_object_get(document, "hopgate"));
    if (page->settings != former->settings &&
        !(page->settings && former->settings && json_equal(page->settings, former->settings)))
        page->has_changed = true;
}

int book_page_open(struct book_page *page, const struct book_page *former, const json_t *document)
{
    bool any_alters = false;
    int r = 0;

    *page = (struct book_page){ 0 };
    take_settings(page, former, document);
    for (int kind = 0; r == 0 && kind < BOOK_KINDS; kind++)
        r = open_list(page, kind, &former->lists[kind], document);
    if (r < 0) {
        book_page_close(page);
        return r;
    }
    for (size_t i = 0; i < page->lists[BOOK_SERVICES].count; i++)
        any_alters |= page->lists[BOOK_SERVICES].pieces[i].alters_others;
    if (any_alters)
        mark_routes(page);
    return 0;
}

void book_page_unread(struct book_page *page)
{
    for (int kind = 0; kind < BOOK_KINDS; kind++)
        for (size_t i = 0; i < page->lists[kind].count; i++)
            mark_unread(page, &page->lists[kind].pieces[i]);
}

void book_page_close(struct book_page *page)
{
    for (int kind = 0; kind < BOOK_KINDS; kind++) {
        json_decref(page->lists[kind].rows);
        free(page->lists[kind].pieces);
        book_index_done(&page->by_id[kind]);
    }
    json_decref(page->settings);
    *page = (struct book_page){ 0 };
}
