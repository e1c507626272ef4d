/* field_operations_compile: operations as they are written become what the hot path runs. */
#include <stdio.h>

#include "config/suggest.h"
#include "proxy/persona/persona_priv.h"
#include "proxy/rewrite/field_name.h"
#include "proxy/rewrite/field_plan_priv.h"

/* ---- values ---- */

/* What the same is called in nginx, and so in many heads. */
static const char *nginx_variable(struct slice name)
{
    static const struct {
        const char *nginx, *ours;
    } words[] = {
        { "remote_addr", "client_ip" },
        { "realip_remote_addr", "peer_ip" },
        { "remote_port", "peer_port" },
        { "server_addr", "listener_ip" },
        { "server_port", "listener_port" },
        { "request_method", "method" },
        { "uri", "request_path" },
        { "args", "query" },
        { "query_string", "query" },
        { "proxy_host", "upstream_host" },
        { "upstream_addr", "target" },
        { "ssl_protocol", "tls_version" },
        { "ssl_cipher", "tls_cipher" },
        { "ssl_server_name", "tls_server_name" },
        { "ssl_session_reused", "tls_resumed" },
        { "ssl_client_verify", "client_verify" },
        { "ssl_client_s_dn", "client_subject" },
        { "ssl_client_i_dn", "client_issuer" },
        { "ssl_client_serial", "client_serial" },
        { "ssl_client_fingerprint", "client_fingerprint" },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (slice_equal(name, slice_of(words[i].nginx)))
            return words[i].ours;
    return NULL;
}

static void refuse_variable(struct field_compiler *compiler, struct config_place place,
                            struct slice name)
{
    struct suggest suggest = { 0 };
    char wanted[SUGGEST_NAME_MAX + 1];

    if (!name.ptr) {
        config_errors_add(compiler->errors, CONFIG_ERROR, place,
                          "the value has more than %d parts; shorten it", TEMPLATE_PARTS_MAX);
        return;
    }
    if (name.len == 0) {
        config_errors_add(compiler->errors, CONFIG_ERROR, place,
                          "no variable begins with this '$'; write '$$' for a dollar sign");
        return;
    }
    (void)snprintf(wanted, sizeof(wanted), "%.*s", SLICE_ARG(name));
    suggest.wanted = wanted;
    suggest.nearest = nginx_variable(name);
    for (unsigned i = 1; !nginx_variable(name) && template_variable_name(i); i++)
        suggest_offer(&suggest, template_variable_name(i));
    if (suggest.nearest)
        config_errors_add(compiler->errors, CONFIG_ERROR, place,
                          "unknown variable '$%s'; did you mean '$%s'?", wanted, suggest.nearest);
    else
        config_errors_add(compiler->errors, CONFIG_ERROR, place,
                          "unknown variable '$%s'; write '$$' for a dollar sign, or one of the "
                          "README's list",
                          wanted);
}

bool field_template_compile(struct field_compiler *compiler, const char *text,
                            struct config_place place, struct template *ret)
{
    struct template_part parts[TEMPLATE_PARTS_MAX], *kept;
    struct slice bad = { NULL, 0 };
    int count = template_compile(slice_of(text), parts, &bad);

    if (count < 0) {
        refuse_variable(compiler, place, bad);
        return false;
    }
    kept = persona_allocate(compiler->persona, (size_t)count * sizeof(*kept));
    if (!kept) {
        compiler->out_of_memory = true;
        return false;
    }
    memcpy(kept, parts, (size_t)count * sizeof(*kept));
    *ret = (struct template){ kept, (size_t)count };
    return true;
}

/* ---- operations ---- */

/* nginx's add_header without "always". */
static const unsigned statuses_of_success[] = { 200, 201, 204, 206, 301, 302, 303, 304, 307, 308 };

static void compile_statuses(const struct config_field_operation *source,
                             struct field_operation *into)
{
    bool writes = source->operation == CONFIG_SET || source->operation == CONFIG_ADD ||
                  source->operation == CONFIG_APPEND;

    into->on_any_status = source->always || (!source->has_statuses && !writes);
    into->on_own = source->always || source->has_statuses || writes;
    into->statuses = source->statuses;
    for (size_t i = 0;
         !source->has_statuses && i < sizeof(statuses_of_success) / sizeof(statuses_of_success[0]);
         i++)
        into->statuses.bits[statuses_of_success[i] / 64] |= UINT64_C(1)
                                                            << statuses_of_success[i] % 64;
}

/* A persona that writes all names in lower case does so with these. */
static struct slice written_name(struct field_compiler *compiler, const char *name, bool lower)
{
    size_t length = strlen(name);
    char *copy;

    if (!lower)
        return slice_of(name);
    copy = persona_allocate(compiler->persona, length + 1);
    if (!copy) {
        compiler->out_of_memory = true;
        return slice_of(name);
    }
    for (size_t i = 0; i < length; i++)
        copy[i] = field_name_fold(name[i]);
    return (struct slice){ copy, length };
}

static void compile_name(struct field_compiler *compiler,
                         const struct config_field_operation *source, bool lower,
                         struct field_operation *into)
{
    into->name = written_name(compiler, source->name, lower && source->operation != CONFIG_CASE);
    into->is_prefix = source->operation == CONFIG_REMOVE && into->name.len > 0 &&
                      into->name.ptr[into->name.len - 1] == '*';
    if (into->is_prefix)
        into->name.len--;
    if (source->to)
        into->to = written_name(compiler, source->to, lower);
    into->written_id = field_id_of(source->to ? into->to : into->name);
    if (source->operation == CONFIG_CASE)
        into->spelling = strcmp(source->name, "lower") == 0       ? FIELD_SPELLING_LOWER
                         : strcmp(source->name, "canonical") == 0 ? FIELD_SPELLING_CANONICAL
                                                                  : FIELD_SPELLING_GIVEN;
}

static void compile_operation(struct field_compiler *compiler,
                              const struct config_field_operation *source, bool of_response,
                              struct field_operation *into)
{
    const struct persona *persona = compiler->persona;
    const struct config_place place =
        field_place(compiler, source->value_path, source->value_line, source->value_column);
    bool lower = (of_response ? persona->response.name_case : persona->request.name_case) ==
                 PERSONA_CASE_LOWER;

    into->operation = source->operation;
    into->if_absent = source->if_absent;
    compile_name(compiler, source, lower, into);
    compile_statuses(source, into);
    if (source->value && !field_template_compile(compiler, source->value, place, &into->value))
        return;
    for (size_t i = 0; !of_response && i < into->value.count; i++)
        if (into->value.parts[i].variable == TEMPLATE_RESPONSE_FIELD) {
            config_errors_add(compiler->errors, CONFIG_ERROR, place,
                              "'$upstream_http_%.*s' is of a response, and a request comes before "
                              "it; use it in 'response'",
                              SLICE_ARG(into->value.parts[i].literal));
            return;
        }
    if (!of_response)
        field_plan_check_operation(compiler, source, into);
}

struct field_operations field_operations_compile(struct field_compiler *compiler,
                                                 const struct config_field_rules *rules,
                                                 bool of_response)
{
    const struct config_field_operation *sources = of_response ? rules->response : rules->request;
    size_t count = of_response ? rules->response_count : rules->request_count;
    struct field_operation *items;

    if (count == 0)
        return (struct field_operations){ NULL, 0 };
    items = persona_allocate(compiler->persona, count * sizeof(*items));
    if (!items) {
        compiler->out_of_memory = true;
        return (struct field_operations){ NULL, 0 };
    }
    for (size_t i = 0; i < count; i++)
        compile_operation(compiler, &sources[i], of_response, &items[i]);
    return (struct field_operations){ items, count };
}
