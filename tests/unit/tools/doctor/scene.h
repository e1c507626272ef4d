/*
 * scene: a chain from text, and what the doctor says of it.
 *
 * Role    for tests of rules
 * Owns    what scene_done frees
 * Thread  one
 */
#ifndef TESTS_UNIT_TOOLS_DOCTOR_SCENE_H
#define TESTS_UNIT_TOOLS_DOCTOR_SCENE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tools/doctor/doctor.h"

struct scene {
    struct chain *chain;
    struct doctor_findings findings;
    char said[4096]; /* "rule:hop rule:hop" */
};

/* path: the items of the chain's path in YAML's flow form; more: further members of the chain. */
static inline void scene_init(struct scene *scene, const char *path, const char *more)
{
    struct config_errors errors;
    char text[8192], line[CONFIG_MESSAGE_MAX];
    size_t length = 0;
    int r;

    memset(scene, 0, sizeof(*scene));
    snprintf(text, sizeof(text), "{name: t, %spath: [%s]}", more, path);
    config_errors_init(&errors);
    r = chain_parse(slice_of(text), "t.yaml", &scene->chain, &errors);
    if (r == 0)
        r = doctor_examine_chain(scene->chain, "t.yaml", NULL, &scene->findings, &errors);
    if (r < 0)
        fail_msg("%s\n%s", text,
                 errors.count > 0 ? config_error_format(&errors.items[0], line, sizeof(line)) : "");
    config_errors_done(&errors);
    for (size_t i = 0; i < scene->findings.count; i++)
        length += (size_t)snprintf(scene->said + length, sizeof(scene->said) - length, "%s%s:%s",
                                   i > 0 ? " " : "", scene->findings.items[i].rule->id,
                                   scene->findings.items[i].hop);
}

static inline void scene_done(struct scene *scene)
{
    doctor_findings_done(&scene->findings);
    chain_free(scene->chain);
}

#endif
