/*
 * persona_pages: what kong.conf says about error pages: error_template_*, error_default_type.
 *
 * Role    puts the user's templates in the place of a persona's pages
 * Owns    nothing; templates live in the persona's memory
 * Thread  one that may block: it reads files; before traffic only
 *
 * A template is Kong's: the first %s is the message, the second the request id, both are optional, %%
 * is a percent sign. Kong finds out about a template that it cannot read or use when it wants to send
 * it; here that is a mistake of the configuration.
 */
#ifndef PROXY_PERSONA_PAGES_H
#define PROXY_PERSONA_PAGES_H

#include "config/settings.h"
#include "proxy/persona/persona.h"

/* What is wrong goes to errors; the page in question stays as it was. */
void persona_apply_pages(struct persona *persona, const struct settings *settings,
                         struct config_errors *errors);

#endif
