/*
 * field_plan_checks: policies and operations that say what they say, and by which the hop lies, or does
 * nothing.
 *
 * A field that targets believe must not be what any client wrote, unless its author says that this is
 * meant: then it is a warning. Identities are more than that: whoever may write them is whoever he
 * likes, so only a lab may have that (hostile-input: always remove on input).
 */
#include "config/forwarded_fields.h"
#include "proxy/rewrite/field_name.h"
#include "proxy/rewrite/field_plan_priv.h"

static bool believes(enum config_field_policy policy)
{
    return policy == CONFIG_POLICY_PRESERVE || policy == CONFIG_POLICY_APPEND;
}

/* The persona by itself does not pass on what such a peer claims. */
static bool persona_guards(const struct persona *persona, enum config_forwarded_field field)
{
    struct slice name = slice_of(forwarded_field_infos[field].name);

    for (size_t i = 0; i < persona->request.remove_identity.count; i++)
        if (field_name_matches(persona->request.remove_identity.items[i], name, true))
            return true;
    for (size_t i = 0; i < persona->request.fields.count; i++) {
        const struct persona_rule *rule = &persona->request.fields.items[i];

        if (slice_equal_nocase(rule->name, name))
            return rule->policy == PERSONA_REPLACE || rule->policy == PERSONA_REMOVE;
    }
    return false;
}

static bool trusts_everyone(const struct settings *settings,
                            const struct config_forwarded *forwarded)
{
    struct addr_cidr cidr;

    for (size_t i = 0; forwarded->has_trusted && i < forwarded->trusted.count; i++)
        if (addr_cidr_parse(slice_of(forwarded->trusted.items[i]), &cidr) == 0 &&
            cidr.prefix_bits == 0)
            return true;
    for (size_t i = 0; !forwarded->has_trusted && i < settings->trusted_ips.count; i++)
        if (settings->trusted_ips.items[i].prefix_bits == 0)
            return true;
    return false;
}

static void check_belief(struct field_compiler *compiler, const struct config_forwarded *forwarded,
                         struct config_place place)
{
    const char *name = forwarded_field_infos[forwarded->field].name;
    bool is_identity = forwarded->field >= CONFIG_CLIENT_CERT;
    bool everyone = believes(forwarded->policy) && trusts_everyone(compiler->settings, forwarded);

    if (!believes(forwarded->untrusted) && !everyone)
        return;
    if (!is_identity)
        config_errors_add(compiler->errors, CONFIG_WARNING, place,
                          "any client can write %s as it likes and targets will believe it "
                          "(persona %s would not pass it on); %s",
                          name, compiler->persona->name,
                          everyone ? "trust fewer networks"
                                   : "leave 'untrusted' out, or set it to replace or remove");
    else
        config_errors_add(compiler->errors,
                          compiler->settings->hopgate_lab ? CONFIG_WARNING : CONFIG_ERROR, place,
                          "any client could be anyone by writing %s itself; trust the addresses of "
                          "the hops before this one, and set 'untrusted' to remove%s",
                          name,
                          compiler->settings->hopgate_lab ? "" : " (a lab may: hopgate_lab = on)");
}

void field_plan_check_forwarded(struct field_compiler *compiler,
                                const struct config_forwarded *forwarded, struct config_place place)
{
    const struct forwarded_field_info *info = &forwarded_field_infos[forwarded->field];
    size_t trusted_count =
        forwarded->has_trusted ? forwarded->trusted.count : compiler->settings->trusted_ips.count;

    if (info->untrusted == CONFIG_POLICY_UNSET)
        return; /* no claim about the way */
    if (persona_guards(compiler->persona, forwarded->field))
        check_belief(compiler, forwarded, place);
    if (trusted_count == 0 && believes(forwarded->policy) &&
        forwarded->untrusted != forwarded->policy)
        config_errors_add(
            compiler->errors, CONFIG_NOTICE, place,
            "'%s' is for trusted peers and there are none, so '%s' holds for all; add "
            "trusted networks, here or in trusted_ips",
            forwarded_policy_name(forwarded->policy), forwarded_policy_name(forwarded->untrusted));
}

/* ---- operations ---- */

/* The field with a forwarded policy that the name belongs to and targets believe; or COUNT. */
static enum config_forwarded_field believed_field(struct slice name)
{
    int i = 0;

    while (i < CONFIG_FORWARDED_COUNT &&
           (forwarded_field_infos[i].untrusted == CONFIG_POLICY_UNSET ||
            !field_name_matches(slice_of(forwarded_field_infos[i].name), name, true)))
        i++;
    return (enum config_forwarded_field)i;
}

/* "from" is what any client sends, `written` what targets believe. */
static void tell_leak(struct field_compiler *compiler, struct config_place place,
                      struct slice written, struct slice from)
{
    enum config_forwarded_field field = believed_field(written);

    if (field < CONFIG_CLIENT_CERT || !persona_guards(compiler->persona, field))
        config_errors_add(compiler->errors, CONFIG_WARNING, place,
                          "any client can write %.*s by sending %.*s, and targets will believe it; "
                          "use a forwarded policy, which knows whom to trust",
                          SLICE_ARG(written), SLICE_ARG(from));
    else
        config_errors_add(compiler->errors,
                          compiler->settings->hopgate_lab ? CONFIG_WARNING : CONFIG_ERROR, place,
                          "any client could be anyone by sending %.*s, which becomes %.*s; use "
                          "hopgate_trusted_client_cert_field%s",
                          SLICE_ARG(from), SLICE_ARG(written),
                          compiler->settings->hopgate_lab ? "" : " (a lab may: hopgate_lab = on)");
}

void field_plan_check_operation(struct field_compiler *compiler,
                                const struct config_field_operation *source,
                                const struct field_operation *operation)
{
    const struct config_place place =
        field_place(compiler, source->path, source->line, source->column);
    struct slice written = source->operation == CONFIG_RENAME ? operation->to : operation->name;
    struct slice from = { NULL, 0 };

    if (source->operation == CONFIG_REMOVE || source->operation == CONFIG_CASE ||
        believed_field(written) == CONFIG_FORWARDED_COUNT)
        return;
    if (source->operation == CONFIG_RENAME)
        from = operation->name;
    for (size_t i = 0; i < operation->value.count; i++)
        if (operation->value.parts[i].variable == TEMPLATE_REQUEST_FIELD)
            from = operation->value.parts[i].literal;
    if (from.len > 0)
        tell_leak(compiler, place, written, from);
}
