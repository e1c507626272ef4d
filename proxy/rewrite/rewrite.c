#include "proxy/rewrite/rewrite.h"

#include <errno.h>

#include "proxy/rewrite/charset.h"
#include "proxy/rewrite/client_identity.h"
#include "proxy/rewrite/field_name.h"
#include "proxy/rewrite/field_operations.h"
#include "proxy/rewrite/field_order.h"

/* What is built; the section goes through it field by field. */
struct rewriter {
    const struct exchange_record *record;
    const struct fields *source;
    const struct rewrite_framing *framing;
    const struct persona_rules *rules;
    const struct persona_strings *lead;
    const struct persona_strings *remove;
    const struct persona_strings *remove_identity; /* NULL: a response */
    enum persona_connection_fields connection_fields;
    enum persona_name_case name_case;
    enum persona_connection connection; /* responses */
    enum persona_underscores underscores;
    const char *charset; /* of answers; NULL: none is added */
    bool keep_length;    /* the message's own Content-Length stays */
    bool framed;         /* the framing field is written */
    bool gateway;        /* an answer made here */
    struct fields first; /* lines of rules with position "first" */
    struct fields *out;
};

/* ---- names ---- */

static bool is_listed(const struct persona_strings *patterns, struct slice name, bool as_cgi)
{
    for (size_t i = 0; patterns && i < patterns->count; i++)
        if (field_name_matches(patterns->items[i], name, as_cgi))
            return true;
    return false;
}

/* ---- rules ---- */

static bool when_holds(enum persona_when when, const struct rewriter *w)
{
    const struct http_head *request = w->record->request;

    switch (when) {
    case PERSONA_ALWAYS:
        return true;
    case PERSONA_WHEN_UPSTREAM:
        return !w->gateway;
    case PERSONA_WHEN_GATEWAY:
        return w->gateway;
    case PERSONA_WHEN_PROXIED:
        return w->record->was_proxied;
    case PERSONA_WHEN_NOT_PROXIED:
        return !w->record->was_proxied;
    case PERSONA_WHEN_UPGRADE:
        return w->record->upgrade.len > 0;
    case PERSONA_WHEN_NO_UPGRADE:
        return w->record->upgrade.len == 0;
    case PERSONA_WHEN_KONG_DEBUG:
        return !w->gateway && request && fields_find_name(&request->fields, SLICE("Kong-Debug"));
    case PERSONA_WHEN_REQUEST_DEBUG:
        return w->record->debug.is_wanted;
    case PERSONA_WHEN_NO_TRAILERS:
        return !request || !fields_list_has(&request->fields, FIELD_TE, SLICE("trailers"));
    }
    return false;
}

static bool rule_acts(const struct rewriter *w, const struct persona_rule *rule)
{
    return !rule->off && when_holds(rule->when, w);
}

static enum persona_policy policy_of(const struct rewriter *w, const struct persona_rule *rule)
{
    bool is_trusted = rule->trusted_peers
                          ? addr_cidrs_contain(rule->trusted_peers, &w->record->client_peer)
                          : w->record->client_is_trusted;

    return rule->trusted != PERSONA_POLICY_UNSET && is_trusted ? rule->trusted : rule->policy;
}

/* A persona's own rule is about one spelling, as the product's is. What hopgate.fields replaces or
 * removes must not come in the other one: behind CGI both are one variable. */
static bool is_ruled(const struct rewriter *w, const struct persona_rule *rule, struct slice name)
{
    enum persona_policy policy;

    if (slice_equal_nocase(rule->name, name))
        return true;
    if (!rule->as_cgi || !field_name_matches(rule->name, name, true))
        return false;
    policy = policy_of(w, rule);
    return policy == PERSONA_REPLACE || policy == PERSONA_REMOVE;
}

static const struct persona_rule *rule_in(const struct rewriter *w,
                                          const struct persona_rules *rules, struct slice name)
{
    for (size_t i = 0; rules && i < rules->count; i++)
        if (is_ruled(w, &rules->items[i], name) && rule_acts(w, &rules->items[i]))
            return &rules->items[i];
    return NULL;
}

/* ---- what does not pass ---- */

static bool line_lists(const struct field *field, struct slice name)
{
    struct slice rest = field->value, token;

    while (field_list_next(&rest, &token))
        if (slice_equal_nocase(token, name))
            return true;
    return false;
}

static bool connection_lists(const struct rewriter *w, struct slice name)
{
    const struct field *first = fields_find(w->source, FIELD_CONNECTION);

    if (w->connection_fields == PERSONA_CONNECTION_STRIP_FIRST)
        return first && line_lists(first, name);
    return fields_list_has(w->source, FIELD_CONNECTION, name);
}

/* Kong: an answer may name again what the client asked to switch to. */
static bool upgrade_passes(const struct rewriter *w, const struct field *field)
{
    return !w->remove_identity && w->record->upgrade.len > 0 && rule_in(w, w->rules, field->name) &&
           slice_equal_nocase(field->value, w->record->upgrade);
}

static bool strips_listed(const struct rewriter *w)
{
    return w->connection_fields == PERSONA_CONNECTION_STRIP ||
           w->connection_fields == PERSONA_CONNECTION_STRIP_FIRST;
}

/* RFC 9110 7.6.1, for fields that are neither framing nor Host. */
static bool ends_here(const struct rewriter *w, const struct field *field)
{
    switch ((enum field_id)field->id) {
    case FIELD_UPGRADE:
        return !upgrade_passes(w, field);
    case FIELD_CONNECTION:
        return true; /* FORWARD writes its rest itself */
    case FIELD_TE:
        return w->connection_fields != PERSONA_CONNECTION_FORWARD ||
               !fields_list_has(w->source, FIELD_TE, SLICE("trailers"));
    case FIELD_KEEP_ALIVE:
        return w->connection_fields != PERSONA_CONNECTION_FORWARD;
    case FIELD_PROXY_CONNECTION:
    case FIELD_HTTP2_SETTINGS:
        return w->connection_fields == PERSONA_CONNECTION_STRIP ||
               (strips_listed(w) && connection_lists(w, field->name));
    default:
        return strips_listed(w) && field->id != FIELD_HOST && !rule_in(w, w->rules, field->name) &&
               connection_lists(w, field->name);
    }
}

static bool is_refused(const struct rewriter *w, const struct field *field)
{
    return is_listed(w->remove, field->name, false) ||
           (w->remove_identity && !client_identity_passes(w->record, field->name) &&
            (is_listed(w->remove_identity, field->name, true) ||
             client_identity_refuses(w->record, field->name))) ||
           (w->underscores == PERSONA_UNDERSCORE_DROP &&
            memchr(field->name.ptr, '_', field->name.len));
}

/* ---- writing lines ---- */

static int add_framing(struct rewriter *w)
{
    struct slice value;
    struct text number;

    w->framed = true;
    switch (w->framing->framing) {
    case HTTP_FRAMING_NONE:
    case HTTP_FRAMING_CLOSE:
        return 0;
    case HTTP_FRAMING_CHUNKED:
        return fields_add_known(w->out, FIELD_TRANSFER_ENCODING, SLICE("Transfer-Encoding"),
                                SLICE("chunked"));
    case HTTP_FRAMING_LENGTH:
        text_init(&number, w->out->arena);
        text_add_number(&number, w->framing->content_length);
        value = text_take(&number);
        if (!value.ptr)
            return -ENOMEM;
        return fields_add_known(w->out, FIELD_CONTENT_LENGTH, SLICE("Content-Length"), value);
    }
    return 0;
}

static int copy_field(struct rewriter *w, const struct field *field)
{
    return fields_add_known(w->out, (enum field_id)field->id, field->name, field->value);
}

/*
 * The framing field that stands at this place keeps its name as it was written. Its value is made
 * anew even where it says the same: no spelling of a length or coding ("Chunked") passes on.
 */
static int place_framing(struct rewriter *w, const struct field *field)
{
    uint32_t before = w->out->count;
    struct field *added;
    int r;

    if (w->keep_length)
        return field->id == FIELD_CONTENT_LENGTH ? copy_field(w, field) : 0;
    if (w->framed)
        return 0;
    r = add_framing(w);
    if (r < 0 || w->out->count == before)
        return r;
    added = &w->out->items[before];
    if (added->id == field->id)
        added->name = field->name;
    return 0;
}

/* The value of a rule that keeps one line, from all old lines of its name. */
static struct slice merged_value(struct rewriter *w, const struct persona_rule *rule,
                                 enum persona_policy policy, bool present)
{
    struct template_scope scope = { .record = w->record };
    const struct template *own =
        !present && rule->absent_value.count > 0 ? &rule->absent_value : &rule->value;
    size_t old_count = 0, own_at;
    struct text text;

    text_init(&text, w->out->arena);
    for (uint32_t i = 0; policy != PERSONA_REPLACE && present && i < w->source->count; i++) {
        const struct field *field = &w->source->items[i];

        if (!slice_equal_nocase(field->name, rule->name))
            continue;
        if (old_count > 0 && (policy == PERSONA_APPEND_FIRST || policy == PERSONA_FIRST_LINE))
            break;
        text_add_string(&text, old_count++ > 0 ? ", " : "");
        text_add(&text, field->value);
    }
    if ((policy == PERSONA_JOIN || policy == PERSONA_FIRST_LINE) && old_count > 0)
        return text_take(&text);
    own_at = text.length;
    if (own_at > 0 || (policy == PERSONA_APPEND_FIRST && old_count > 0)) /* Lua: "" is a value */
        text_add_string(&text, ", ");
    template_expand_value(own, &scope, &text);
    if (own_at > 0 && text.length == own_at + 2)
        text.length = own_at; /* nothing of our own: no comma either */
    return text_take(&text);
}

static bool merges(enum persona_policy policy)
{
    return policy == PERSONA_JOIN || policy == PERSONA_FIRST_LINE || policy == PERSONA_APPEND ||
           policy == PERSONA_APPEND_FIRST || policy == PERSONA_REPLACE;
}

/* Where the one line goes. The other spelling may be refused as such, and then holds no place. */
static bool is_first_ruled(const struct rewriter *w, const struct field *field,
                           const struct persona_rule *rule)
{
    for (uint32_t i = 0; i < w->source->count; i++) {
        const struct field *other = &w->source->items[i];

        if (slice_equal_nocase(rule->name, other->name) ||
            (is_ruled(w, rule, other->name) && !ends_here(w, other) && !is_refused(w, other)))
            return other == field;
    }
    return false;
}

/* A line that has a rule: one merged line takes the place of the first. */
static int place_ruled(struct rewriter *w, const struct field *field,
                       const struct persona_rule *rule)
{
    enum persona_policy policy = policy_of(w, rule);
    struct slice value;

    if (policy == PERSONA_REMOVE)
        return 0;
    if (!merges(policy))
        return copy_field(w, field);
    if (!is_first_ruled(w, field, rule))
        return 0;
    value = merged_value(w, rule, policy, true);
    if (!value.ptr)
        return -ENOMEM;
    if (slice_equal(value, field->value) && (value.len > 0 || policy != PERSONA_FIRST_LINE) &&
        slice_equal_nocase(rule->name, field->name))
        return copy_field(w, field);
    if (value.len == 0)
        return 0;
    /* ngx.header[name] changes the value of the line that is there, not its name */
    return fields_add(w->out, w->remove_identity ? rule->name : field->name, value);
}

/* "Connection: X, close" -> "X": what a hop that forwards Connection leaves of it. */
static int place_connection(struct rewriter *w, const struct field *field)
{
    struct slice rest = field->value, token;
    struct text text;

    text_init(&text, w->out->arena);
    while (field_list_next(&rest, &token)) {
        if (slice_equal_nocase(token, SLICE("close")) ||
            slice_equal_nocase(token, SLICE("keep-alive")) ||
            slice_equal_nocase(token, SLICE("upgrade")))
            continue;
        text_add_string(&text, text.length > 0 ? ", " : "");
        text_add(&text, token);
    }
    token = text_take(&text);
    if (!token.ptr)
        return -ENOMEM;
    return token.len > 0 ? fields_add_known(w->out, FIELD_CONNECTION, field->name, token) : 0;
}

static int place_content_type(struct rewriter *w, const struct field *field)
{
    struct slice value = charset_added(field->value, w->charset, w->out->arena);

    return value.ptr ? fields_add_known(w->out, FIELD_CONTENT_TYPE, field->name, value) : -ENOMEM;
}

static int place_field(struct rewriter *w, const struct field *field)
{
    const struct persona_rule *rule;

    if (field->id == FIELD_CONTENT_LENGTH || field->id == FIELD_TRANSFER_ENCODING)
        return place_framing(w, field);
    if (field->id == FIELD_CONNECTION && w->connection_fields == PERSONA_CONNECTION_FORWARD)
        return place_connection(w, field);
    if (ends_here(w, field) || is_refused(w, field))
        return 0;
    rule = rule_in(w, w->rules, field->name);
    if (!rule && w->charset && field->id == FIELD_CONTENT_TYPE)
        return place_content_type(w, field);
    return rule ? place_ruled(w, field, rule) : copy_field(w, field);
}

/* True if some received line of that name got as far as its rule. */
static bool was_placed(const struct rewriter *w, const struct persona_rule *rule)
{
    for (uint32_t i = 0; i < w->source->count; i++) {
        const struct field *field = &w->source->items[i];

        if (is_ruled(w, rule, field->name) && !ends_here(w, field) && !is_refused(w, field))
            return true;
    }
    return false;
}

static int add_rule_line(struct rewriter *w, const struct persona_rule *rule)
{
    enum persona_policy policy = policy_of(w, rule);
    struct slice value;

    if (policy == PERSONA_REMOVE || !rule_acts(w, rule) ||
        (policy == PERSONA_PRESERVE && rule->adds_none) ||
        (policy != PERSONA_ADD_LINE && was_placed(w, rule)))
        return 0;
    value = merged_value(w, rule, policy, false);
    if (!value.ptr)
        return -ENOMEM;
    if (value.len == 0)
        return 0;
    return fields_add(rule->position == PERSONA_FIRST ? &w->first : w->out, rule->name, value);
}

static int add_rule_lines(struct rewriter *w, const struct persona_rules *rules)
{
    for (size_t i = 0; rules && i < rules->count; i++) {
        int r = add_rule_line(w, &rules->items[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- order and spelling ---- */

static int finish(struct rewriter *w)
{
    int r = field_order_apply(w->out, &w->first, w->lead, w->rules);

    if (r == 0 && w->name_case == PERSONA_CASE_LOWER)
        r = field_order_lower_names(w->out);
    return r;
}

static int place_all(struct rewriter *w)
{
    fields_init(&w->first, w->out->arena);
    for (uint32_t i = 0; i < w->source->count; i++) {
        int r = place_field(w, &w->source->items[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- requests ---- */

static struct rewriter request_rewriter(const struct exchange_record *record,
                                        const struct rewrite_framing *framing,
                                        struct fields *ret_fields)
{
    const struct persona_request *persona = &record->persona->request;

    return (struct rewriter){
        .record = record,
        .source = &record->request->fields,
        .framing = framing,
        .rules = record->field_plan ? &record->field_plan->request_rules : &persona->fields,
        .lead = &persona->lead,
        .remove = &persona->remove,
        .remove_identity = &persona->remove_identity,
        .connection_fields = persona->connection_fields,
        .name_case = persona->name_case,
        .underscores = persona->underscores,
        .out = ret_fields,
    };
}

int rewrite_request(const struct exchange_record *record, const struct rewrite_framing *framing,
                    struct fields *ret_fields)
{
    struct rewriter w = request_rewriter(record, framing, ret_fields);
    int r = place_all(&w);

    if (r == 0)
        r = add_rule_lines(&w, w.rules);
    if (r == 0)
        r = client_identity_add(record, w.out);
    if (r == 0 && !w.framed)
        r = add_framing(&w);
    if (r == 0)
        r = finish(&w);
    return r < 0 || !record->field_plan ? r : field_operations_on_request(record, w.out);
}

/* ---- responses ---- */

/* RFC 9112 9.3: what the version means by itself need not be said. */
static int add_connection(struct rewriter *w)
{
    const struct http_head *request = w->record->request;
    bool persists = w->framing->keep_alive;
    bool is_default = request && (request->version_minor >= 1) == persists;

    if (w->connection == PERSONA_CONNECTION_NEVER ||
        (w->connection == PERSONA_CONNECTION_NEEDED && is_default))
        return 0;
    return fields_add_known(w->out, FIELD_CONNECTION, SLICE("Connection"),
                            persists ? SLICE("keep-alive") : SLICE("close"));
}

static struct rewriter response_rewriter(const struct exchange_record *record,
                                         const struct fields *source,
                                         const struct rewrite_framing *framing,
                                         struct fields *ret_fields)
{
    const struct persona_response *persona = &record->persona->response;

    return (struct rewriter){
        .record = record,
        .source = source,
        .framing = framing,
        .rules = &persona->fields,
        .lead = &persona->lead,
        .remove = &persona->remove,
        .connection_fields = persona->connection_fields,
        .name_case = persona->name_case,
        .connection = persona->connection,
        .out = ret_fields,
    };
}

/* A 101 names what is switched to, on this connection as on the target's (RFC 9110 7.8). */
static int add_switch(struct rewriter *w, const struct http_head *head)
{
    const struct field *upgrade = fields_find(&head->fields, FIELD_UPGRADE);
    bool is_placed = fields_find(w->out, FIELD_UPGRADE) != NULL;
    int r = upgrade && !is_placed ? copy_field(w, upgrade) : 0;

    return r < 0
               ? r
               : fields_add_known(w->out, FIELD_CONNECTION, SLICE("Connection"), SLICE("upgrade"));
}

static int finish_response(struct rewriter *w, unsigned status)
{
    const struct field_response response = { .status = status,
                                             .fields = w->gateway ? NULL : w->source };
    int r = finish(w);

    return r < 0 || !w->record->field_plan
               ? r
               : field_operations_on_response(w->record, &response, w->out);
}

int rewrite_response(const struct exchange_record *record, const struct http_head *head,
                     const struct rewrite_framing *framing, struct fields *ret_fields)
{
    static const struct rewrite_framing interim = { .framing = HTTP_FRAMING_NONE };
    static const struct persona_rules no_rules = { NULL, 0 };
    bool is_switch = head->status == 101, is_interim = head->status < 200 && !is_switch;
    struct rewriter w = response_rewriter(record, &head->fields,
                                          head->status < 200 ? &interim : framing, ret_fields);
    bool is_head = record->request && record->request->method == HTTP_METHOD_HEAD;
    int r;

    if (is_interim)
        w.rules = &no_rules;
    else
        w.charset = record->persona->response.charset;
    w.keep_length = head->status >= 200 && framing->framing == HTTP_FRAMING_NONE &&
                    (is_head || head->status == 304) && head->status != 204;
    r = place_all(&w);
    if (r < 0 || is_interim)
        return r < 0 ? r : finish_response(&w, head->status);
    if (!w.framed && !w.keep_length)
        r = add_framing(&w);
    if (r == 0)
        r = is_switch ? add_switch(&w, head) : add_connection(&w);
    if (r == 0)
        r = add_rule_lines(&w, w.rules);
    return r < 0 ? r : finish_response(&w, head->status);
}

static bool trailers_pass(const struct exchange_record *record, bool of_request)
{
    if (record->persona->content.trailers == PERSONA_TRAILERS_DROP)
        return false;
    return of_request || (record->request &&
                          fields_list_has(&record->request->fields, FIELD_TE, SLICE("trailers")));
}

int rewrite_trailers(const struct exchange_record *record, const struct fields *trailers,
                     bool of_request, struct fields *ret_fields)
{
    static const struct rewrite_framing none = { .framing = HTTP_FRAMING_NONE };
    struct rewriter w = of_request ? request_rewriter(record, &none, ret_fields)
                                   : response_rewriter(record, trailers, &none, ret_fields);
    int r = 0;

    w.source = trailers;
    if (!trailers_pass(record, of_request))
        return 0;
    for (uint32_t i = 0; i < trailers->count && r == 0; i++) {
        const struct field *field = &trailers->items[i];

        if (!ends_here(&w, field) && !is_refused(&w, field) && !rule_in(&w, w.rules, field->name) &&
            !field_operations_name(record->field_plan, of_request, field->name))
            r = copy_field(&w, field);
    }
    return r;
}

int rewrite_error_page(const struct exchange_record *record, const struct error_page *page,
                       const struct rewrite_framing *framing, struct fields *ret_fields)
{
    static const struct fields nothing = { 0 };
    struct rewriter w = response_rewriter(record, &nothing, framing, ret_fields);
    int r = 0;

    w.gateway = true;
    w.lead = &page->answer.lead;
    w.name_case = page->answer.name_case;
    w.connection = page->answer.connection;
    /* "Connection: Upgrade" of a 426 stands alone; that HTTP/1.1 persists needs no word */
    if (rule_in(&w, &page->answer.fields, SLICE("Connection")))
        w.connection = PERSONA_CONNECTION_NEEDED;
    fields_init(&w.first, ret_fields->arena);
    if (page->content_type.len > 0)
        r = fields_add_known(ret_fields, FIELD_CONTENT_TYPE, SLICE("Content-Type"),
                             page->content_type);
    if (r == 0)
        r = add_framing(&w);
    if (r == 0)
        r = add_connection(&w);
    if (r == 0 && page->allow.len > 0)
        r = fields_add(ret_fields, SLICE("Allow"), page->allow);
    if (r == 0 && page->proxy_status.len > 0)
        r = fields_add_known(ret_fields, FIELD_PROXY_STATUS, SLICE("Proxy-Status"),
                             page->proxy_status);
    if (r == 0)
        r = add_rule_lines(&w, w.rules);
    if (r == 0)
        r = add_rule_lines(&w, &page->answer.fields);
    for (uint32_t i = 0; r == 0 && page->added && i < page->added->count; i++)
        r = fields_add(ret_fields, page->added->items[i].name, page->added->items[i].value);
    return r < 0 ? r : finish_response(&w, page->answer.status);
}
