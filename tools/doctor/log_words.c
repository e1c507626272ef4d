#include "tools/doctor/log_words.h"

#include <string.h>

#include "proxy/report/termination.h"

/* The phrase as far as it is the same each time: "recv() failed (%s)" without its cause. */
static size_t fixed_length(const char *phrase)
{
    static const char *const variable[] = { " (%s", ": \"%s", "%s" };
    size_t length = strlen(phrase);

    for (size_t i = 0; i < sizeof(variable) / sizeof(variable[0]); i++) {
        const char *at = strstr(phrase, variable[i]);

        if (at && (size_t)(at - phrase) < length)
            length = (size_t)(at - phrase);
    }
    return length;
}

static const char *state_of(const struct doctor_hop *hop, enum end_reason reason)
{
    const struct exchange_record record = { .persona = hop->persona,
                                            .reason = reason,
                                            .was_proxied = true };

    return termination_of(&record);
}

const char *doctor_log_words(const struct doctor_hop *hop, enum end_reason reason, bool reused,
                             char *into, size_t size)
{
    const struct end_reason_info *info = end_reason_info(reason);
    struct persona_answer made =
        persona_answer(hop->persona, reason, info->hop == END_HOP_UPSTREAM, reused);
    const char *phrase = made.log_phrase ? made.log_phrase : info->phrase;
    const char *phase = made.log_phrase ? "" : end_phase_text(info->phase, info->hop);

    if (!made.logged)
        snprintf(into, size, "logs nothing");
    else if (strcmp(hop->persona->log.access_format, "haproxy") == 0)
        snprintf(into, size, "logs \"%s\"", state_of(hop, reason));
    else if (hop->persona->log.error_shape == PERSONA_ERROR_NONE || phrase[0] == '\0')
        snprintf(into, size, "has only the line of its access log");
    else
        snprintf(into, size, "logs \"%s%.*s%s\"",
                 hop->persona->log.error_shape == PERSONA_ERROR_F5 ? "RST sent ..., " : "",
                 (int)fixed_length(phrase), phrase, phase);
    return into;
}
