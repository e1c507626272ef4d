#include <assert.h>

#include "core/http/head.h"
#include "proxy/persona/persona.h"

/* What is known while the rules are walked; a value is taken from the first rule that says it. */
struct pending {
    struct persona_answer answer;
    enum persona_tristate keep_alive, logged;
};

static bool fits(enum persona_tristate wanted, bool is)
{
    return wanted == PERSONA_UNSET || (wanted == PERSONA_YES) == is;
}

/* May it act here, after this last try? */
static bool rule_fits(const struct persona *persona, const struct persona_answer_rule *rule,
                      bool proxied, bool reused)
{
    return fits(rule->proxied, proxied) && fits(rule->reused, reused) &&
           (!rule->lab || persona->lab_is_on);
}

static void take_rule(struct pending *pending, const struct persona_answer_rule *rule)
{
    struct persona_answer *answer = &pending->answer;

    bool decides = (answer->status == 0 && rule->status != 0) ||
                   (answer->action == PERSONA_ACTION_UNSET && rule->action != PERSONA_ACTION_UNSET);

    if (answer->basis == PERSONA_AS_SECTION && decides)
        answer->basis = rule->basis;
    if (answer->status == 0)
        answer->status = (unsigned)rule->status;
    if (answer->action == PERSONA_ACTION_UNSET)
        answer->action = rule->action;
    if (answer->negotiation == PERSONA_NEGOTIATION_UNSET)
        answer->negotiation = rule->negotiation;
    if (pending->keep_alive == PERSONA_UNSET)
        pending->keep_alive = rule->keep_alive;
    if (pending->logged == PERSONA_UNSET)
        pending->logged = rule->logged;
    if (answer->message.count == 0)
        answer->message = rule->message;
    if (!answer->reason_phrase)
        answer->reason_phrase = rule->reason_phrase;
    if (!answer->page)
        answer->page = rule->page;
    if (!answer->log_phrase)
        answer->log_phrase = rule->log_phrase;
    if (!answer->termination)
        answer->termination = rule->termination;
    if (answer->name_case == PERSONA_CASE_UNSET)
        answer->name_case = rule->name_case;
    if (answer->connection == PERSONA_CONNECTION_UNSET)
        answer->connection = rule->connection;
    if (answer->lead.count == 0)
        answer->lead = rule->lead;
    if (answer->fields.count == 0)
        answer->fields = rule->fields;
}

struct persona_answer persona_answer_with_status(const struct persona *persona,
                                                 enum end_reason reason, unsigned status,
                                                 bool proxied, bool reused)
{
    const struct persona_error_page *table = &persona->error_page;
    struct pending pending = { .keep_alive = PERSONA_UNSET, .logged = PERSONA_UNSET };
    struct persona_answer *answer = &pending.answer;

    answer->action = PERSONA_ACTION_UNSET;
    answer->negotiation = PERSONA_NEGOTIATION_UNSET;
    answer->name_case = PERSONA_CASE_UNSET;
    answer->connection = PERSONA_CONNECTION_UNSET;
    /* First what is said about the reason, which may choose the status, then about the status. */
    for (size_t i = 0; i < table->answers_count; i++) {
        const struct persona_answer_rule *rule = &table->answers[i];

        if (rule->reason == reason && rule->when_status == 0 &&
            rule_fits(persona, rule, proxied, reused))
            take_rule(&pending, rule);
    }
    if (status != 0)
        answer->status = status;
    if (answer->status == 0)
        answer->status = end_reason_info(reason)->status;
    for (size_t i = 0; i < table->answers_count; i++) {
        const struct persona_answer_rule *rule = &table->answers[i];

        if ((rule->reason == END_REASON_COUNT || (rule->reason == reason && rule->when_status)) &&
            (rule->when_status == 0 || rule->when_status == answer->status) &&
            rule_fits(persona, rule, proxied, reused))
            take_rule(&pending, rule);
    }
    if (answer->action == PERSONA_ACTION_UNSET)
        answer->action =
            answer->status == 0 || answer->status == 499 ? PERSONA_CLOSE : PERSONA_PAGE;
    if (answer->negotiation == PERSONA_NEGOTIATION_UNSET)
        answer->negotiation = PERSONA_HANDLER;
    if (!answer->reason_phrase)
        answer->reason_phrase = http_status_reason(answer->status);
    if (answer->name_case == PERSONA_CASE_UNSET)
        answer->name_case = persona->response.name_case;
    if (answer->connection == PERSONA_CONNECTION_UNSET)
        answer->connection = persona->response.connection;
    if (answer->lead.count == 0)
        answer->lead = persona->response.gateway_lead;
    if (answer->basis == PERSONA_AS_SECTION)
        answer->basis = table->basis;
    answer->keep_alive = pending.keep_alive != PERSONA_NO;
    answer->logged = pending.logged != PERSONA_NO;
    return *answer;
}

unsigned persona_retry_condition(enum end_reason reason)
{
    const struct end_reason_info *info = end_reason_info(reason);
    bool timed_out = info->health == END_HEALTH_TIMEOUT;

    switch (info->retry) {
    case END_RETRY_NEVER:
        return 0;
    case END_RETRY_UNSENT:
        return timed_out ? PERSONA_RETRY_CONNECT_TIMEOUT : PERSONA_RETRY_CONNECT;
    case END_RETRY_REPLAY:
        return timed_out ? PERSONA_RETRY_TIMEOUT : PERSONA_RETRY_BROKEN;
    case END_RETRY_INVALID:
        return PERSONA_RETRY_INVALID;
    }
    return 0;
}

unsigned persona_retry_condition_of_status(unsigned status)
{
    switch (status) {
    case 403:
        return PERSONA_RETRY_403;
    case 401:
        return PERSONA_RETRY_401;
    case 404:
        return PERSONA_RETRY_404;
    case 408:
        return PERSONA_RETRY_408;
    case 425:
        return PERSONA_RETRY_425;
    case 501:
        return PERSONA_RETRY_501;
    case 429:
        return PERSONA_RETRY_429;
    case 500:
        return PERSONA_RETRY_500;
    case 502:
        return PERSONA_RETRY_502;
    case 503:
        return PERSONA_RETRY_503;
    case 504:
        return PERSONA_RETRY_504;
    default:
        return 0;
    }
}

struct persona_answer persona_answer(const struct persona *persona, enum end_reason reason,
                                     bool proxied, bool reused)
{
    return persona_answer_with_status(persona, reason, 0, proxied, reused);
}
