#include "core/http/http1_priv.h"

#include "core/http/http_chars.h"

/* What one walk over the fields finds out. */
struct framing_facts {
    const struct field *host;
    const struct field *content_length;
    const struct field *expect;
    unsigned host_count, content_length_count, transfer_encoding_count;
    bool connection_close, connection_keep_alive, connection_upgrade;
    bool has_upgrade;
};

static void note_connection(struct framing_facts *facts, struct slice value)
{
    struct slice token;

    while (field_list_next(&value, &token)) {
        if (slice_equal_nocase(token, SLICE("close")))
            facts->connection_close = true;
        else if (slice_equal_nocase(token, SLICE("keep-alive")))
            facts->connection_keep_alive = true;
        else if (slice_equal_nocase(token, SLICE("upgrade")))
            facts->connection_upgrade = true;
    }
}

static struct framing_facts collect_facts(const struct fields *fields)
{
    struct framing_facts facts = { 0 };

    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];

        switch (field->id) {
        case FIELD_HOST:
            facts.host = field;
            facts.host_count++;
            break;
        case FIELD_CONTENT_LENGTH:
            facts.content_length = field;
            facts.content_length_count++;
            break;
        case FIELD_TRANSFER_ENCODING:
            facts.transfer_encoding_count++;
            break;
        case FIELD_CONNECTION:
            note_connection(&facts, field->value);
            break;
        case FIELD_EXPECT:
            facts.expect = field;
            break;
        case FIELD_UPGRADE:
            facts.has_upgrade = true;
            break;
        default:
            break;
        }
    }
    return facts;
}

/* RFC 9110 8.6: 1*DIGIT. Above 2^63-1 nothing real is meant and signed arithmetic elsewhere breaks.
 */
static bool content_length_parse(struct slice value, uint64_t *ret_length)
{
    uint64_t length = 0;

    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        uint64_t digit = (uint64_t)(unsigned char)value.ptr[i] - '0';

        if (digit > 9 || length > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        length = length * 10 + digit;
    }
    *ret_length = length;
    return true;
}

/*
 * RFC 9112 6.1, 6.3: all Transfer-Encoding lines together must say `chunked` and nothing else. A
 * list that is not one of tokens, or where chunked is repeated or not last, is malformed; otherwise
 * some coding in it is one that we do not have.
 */
static enum http1_error judge_transfer_encoding(const struct fields *fields)
{
    unsigned chunked_count = 0, other_count = 0;
    bool chunked_last = false;

    for (uint32_t i = 0; i < fields->count; i++) {
        struct slice rest = fields->items[i].value;
        bool more = true;

        if (fields->items[i].id != FIELD_TRANSFER_ENCODING)
            continue;
        /* not field_list_next: it skips the empty elements that must be refused here */
        while (more) {
            const char *comma = rest.len > 0 ? memchr(rest.ptr, ',', rest.len) : NULL;
            size_t length = comma ? (size_t)(comma - rest.ptr) : rest.len;
            struct slice coding = http_trim((struct slice){ rest.ptr, length });

            if (!http_chars_are(coding, HTTP_CHAR_TOKEN))
                return HTTP1_ERR_TRANSFER_ENCODING_INVALID;
            chunked_last = slice_equal_nocase(coding, SLICE("chunked"));
            chunked_count += chunked_last;
            other_count += !chunked_last;
            rest = slice_from(rest, length + 1);
            more = comma != NULL;
        }
    }
    if (chunked_count > 1 || (chunked_count == 1 && !chunked_last))
        return HTTP1_ERR_TRANSFER_ENCODING_INVALID;
    return other_count > 0 ? HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN : HTTP1_OK;
}

/* The fields alone, whatever the method or status then makes of them. */
static enum http1_error judge_framing_fields(struct http_head *head,
                                             const struct framing_facts *facts, unsigned leniencies)
{
    if (facts->transfer_encoding_count > 0) {
        if (facts->content_length_count > 0)
            return HTTP1_ERR_CONTENT_LENGTH_AND_TRANSFER_ENCODING;
        if (head->version_minor == 0 && !(leniencies & HTTP1_LENIENT_OLD_CODING))
            return HTTP1_ERR_TRANSFER_ENCODING_IN_HTTP10;
        head->framing = HTTP_FRAMING_CHUNKED;
        return judge_transfer_encoding(&head->fields);
    }
    if (facts->content_length_count > 1)
        return HTTP1_ERR_CONTENT_LENGTH_DUPLICATE;
    if (facts->content_length_count == 1) {
        head->framing = HTTP_FRAMING_LENGTH;
        if (!content_length_parse(facts->content_length->value, &head->content_length))
            return HTTP1_ERR_CONTENT_LENGTH_INVALID;
    }
    return HTTP1_OK;
}

/* RFC 9112 3.2, 3.2.2: exactly one valid Host, even when an absolute-form overrides it. */
static enum http1_error judge_host(struct http_head *head, const struct framing_facts *facts,
                                   unsigned leniencies)
{
    struct slice host, port;

    if (facts->host_count > 1)
        return HTTP1_ERR_HOST_DUPLICATE;
    if (!facts->host)
        return head->version_minor == 0 || (leniencies & HTTP1_LENIENT_ANY_HOST)
                   ? HTTP1_OK
                   : HTTP1_ERR_HOST_MISSING;
    if (!http_authority_split(facts->host->value, &host, &port))
        return leniencies & HTTP1_LENIENT_ANY_HOST ? HTTP1_OK : HTTP1_ERR_HOST_INVALID;
    if (slice_is_empty(head->authority))
        head->authority = facts->host->value;
    return HTTP1_OK;
}

/* RFC 9112 9.3 */
static bool persists(const struct http_head *head, const struct framing_facts *facts)
{
    if (facts->connection_close || head->framing == HTTP_FRAMING_CLOSE)
        return false;
    return head->version_minor >= 1 || facts->connection_keep_alive;
}

/* HTTP1_LENIENT_ANY_CODING */
static bool names_chunked(const struct fields *fields)
{
    const struct slice chunked = SLICE("chunked");
    bool found = false;

    for (uint32_t i = 0; i < fields->count; i++) {
        struct slice value = fields->items[i].value;

        for (size_t at = 0;
             fields->items[i].id == FIELD_TRANSFER_ENCODING && at + chunked.len <= value.len; at++)
            found |= slice_equal_nocase((struct slice){ value.ptr + at, chunked.len }, chunked);
    }
    return found;
}

/* HTTP1_LENIENT_MERGE_LENGTHS: all that is said of the length is the same; the first line says it once then. */
static bool merge_lengths(struct fields *fields)
{
    struct field *first = NULL;
    struct slice said = { NULL, 0 };

    for (uint32_t i = 0; i < fields->count; i++) {
        struct slice rest = fields->items[i].value, one;

        if (fields->items[i].id != FIELD_CONTENT_LENGTH)
            continue;
        while (field_list_next(&rest, &one)) {
            if (said.ptr && !slice_equal(said, one))
                return false;
            said = one;
        }
        if (!first)
            first = &fields->items[i];
    }
    if (first && said.ptr)
        first->value = said;
    return said.ptr != NULL;
}

/* Takes away from the facts what the leniencies settle; head->framing is what they settle it to. */
static void judge_leniently(struct http_head *head, struct framing_facts *facts,
                            unsigned leniencies)
{
    if ((leniencies & HTTP1_LENIENT_ANY_CODING) && facts->transfer_encoding_count > 0) {
        facts->transfer_encoding_count = 0;
        if (names_chunked(&head->fields)) {
            head->framing = HTTP_FRAMING_CHUNKED;
            facts->content_length_count = 0;
        }
    }
    if ((leniencies & HTTP1_LENIENT_LENGTH_AND_CODING) && facts->transfer_encoding_count > 0)
        facts->content_length_count = 0;
    if ((leniencies & HTTP1_LENIENT_MERGE_LENGTHS) && facts->content_length_count > 0 &&
        merge_lengths(&head->fields)) {
        facts->content_length = fields_find(&head->fields, FIELD_CONTENT_LENGTH);
        facts->content_length_count = 1;
    }
    if ((leniencies & HTTP1_LENIENT_ANY_LENGTH) && facts->content_length_count > 0)
        facts->content_length_count =
            content_length_parse(facts->content_length->value, &head->content_length);
}

enum http1_error http1_judge_request(struct http_head *head, unsigned leniencies)
{
    struct framing_facts facts = collect_facts(&head->fields);
    const bool is_dubious = facts.transfer_encoding_count > 0 &&
                            (facts.content_length_count > 0 || head->version_minor == 0);
    enum http1_error error;

    head->framing = HTTP_FRAMING_NONE;
    judge_leniently(head, &facts, leniencies);
    error = judge_host(head, &facts, leniencies);
    if (error == HTTP1_OK)
        error = judge_framing_fields(head, &facts, leniencies);
    if (error != HTTP1_OK)
        return error;
    head->keep_alive = persists(head, &facts) && !is_dubious; /* RFC 9112 6.3 (3) */
    /* RFC 9110 7.8, 10.1.1: HTTP/1.0 has neither of the two */
    head->upgrade = head->version_minor >= 1 && facts.connection_upgrade && facts.has_upgrade;
    head->expects_continue = head->version_minor >= 1 && facts.expect &&
                             slice_equal_nocase(facts.expect->value, SLICE("100-continue"));
    return HTTP1_OK;
}

/* RFC 9112 6.3 (1) and (2) */
static bool response_has_no_content(const struct http_head *head, enum http_method request_method)
{
    if (head->status < 200 || head->status == 204 || head->status == 304)
        return true;
    if (request_method == HTTP_METHOD_CONNECT)
        return head->status < 300;
    return request_method == HTTP_METHOD_HEAD;
}

enum http1_error http1_judge_response(struct http_head *head, enum http_method request_method,
                                      unsigned leniencies)
{
    struct framing_facts facts = collect_facts(&head->fields);
    enum http1_error error;

    head->framing = HTTP_FRAMING_CLOSE;
    judge_leniently(head, &facts, leniencies);
    error = judge_framing_fields(head, &facts, leniencies);
    if (error != HTTP1_OK)
        return error;
    if ((leniencies & HTTP1_LENIENT_INTERIM_CONTENT) && head->status < 200)
        head->framing = HTTP_FRAMING_CLOSE;
    else if (response_has_no_content(head, request_method))
        head->framing = HTTP_FRAMING_NONE;
    head->keep_alive = persists(head, &facts);
    head->upgrade = facts.connection_upgrade && facts.has_upgrade;
    return HTTP1_OK;
}
