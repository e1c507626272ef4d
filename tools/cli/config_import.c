#include "tools/cli/config_import.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/dao/dao.h"
#include "tools/cli/cli.h"
#include "tools/cli/config_document.h"

/* ---- the store ----------------------------------------------------------------------------- */

/* Of whoever has the directory: a store that root has made would be closed to the hop. False: told. */
static bool give_to_owner(const char *path, struct config_errors *errors)
{
    char *copy = strdup(path);
    struct stat directory;
    bool done = copy && stat(dirname(copy), &directory) == 0 &&
                (geteuid() != 0 || chown(path, directory.st_uid, directory.st_gid) == 0);

    free(copy);
    if (!done)
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = path },
                          "cannot be given to the owner of its directory: %s", strerror(errno));
    return done;
}

static int open_dao(const char *path, struct store **ret_store, struct dao **ret_dao,
                    struct config_errors *errors)
{
    bool is_new = access(path, F_OK) != 0;
    int r = store_sqlite_open(path, ret_store, errors);

    if (r == 0 && is_new && !give_to_owner(path, errors))
        r = -EPERM;
    if (r == 0)
        r = dao_create(model_get(), *ret_store, ret_dao);
    return r == 0 ? dao_load(*ret_dao, errors) : r;
}

/* ---- the outcome --------------------------------------------------------------------------- */

/* What takes part in how requests are carried. NULL: no memory. */
static json_t *document_of(json_t *entities)
{
    static const char *const kinds[] = { "services",     "routes", "upstreams",      "targets",
                                         "certificates", "snis",   "ca_certificates" };
    json_t *document = json_pack("{s:s}", "_format_version", "3.0");

    for (size_t i = 0; document && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        json_t *list = json_object_get(entities, kinds[i]);
        if (list && json_object_set(document, kinds[i], list) < 0) {
            json_decref(document);
            document = NULL;
        }
    }
    return document;
}

/* Nothing is written that no hop could put in force. */
static int check_runs(const struct dao *dao, const char *store, struct config_errors *errors)
{
    SCOPED(config) config = NULL;
    json_t *entities = dao_export(dao), *document = entities ? document_of(entities) : NULL;
    struct config_errors found;
    int r;

    config_errors_init(&found);
    r = document ? config_load_entities(document, store, &config, &found) : -ENOMEM;
    if (r < 0) /* warnings are for the hop's own log */
        config_errors_take(errors, &found);
    config_errors_done(&found);
    json_decref(document);
    json_decref(entities);
    return r;
}

static int put(struct dao *dao, const json_t *entities, const char *store,
               struct config_errors *errors, struct kong_error *error)
{
    int r = dao_begin(dao, error);

    if (r < 0)
        return r;
    r = dao_import(dao, entities, error);
    if (r == 0)
        r = check_runs(dao, store, errors);
    if (r == 0)
        return dao_commit(dao, error);
    dao_rollback(dao);
    return r;
}

static int refuse(const struct kong_error *error, int r)
{
    (void)fprintf(stderr, "Error: Failed importing:\n");
    if (error->message)
        (void)fprintf(stderr, "%s\n", error->message);
    else if (r == -ENOMEM)
        (void)fprintf(stderr, "out of memory\n");
    return CLI_FAILED;
}

static int put_into(const char *path, const json_t *entities, struct config_errors *errors)
{
    SCOPED(store) store = NULL;
    SCOPED(dao) dao = NULL;
    struct kong_error error = { 0 };
    int r = open_dao(path, &store, &dao, errors);

    if (r == 0)
        r = put(dao, entities, path, errors, &error);
    r = r < 0 ? refuse(&error, r) : CLI_OK;
    kong_error_done(&error);
    return r;
}

int config_import(const char *store, const char *file, struct config_errors *errors)
{
    SCOPED(flattened) flattened = config_document_read(file);
    json_t *entities;
    int r;

    if (!flattened)
        return CLI_FAILED;
    (void)printf("parse successful, beginning import\n");
    (void)fflush(stdout);
    entities = flattened_entities(flattened);
    if (json_object_get(entities, "hopgate"))
        config_errors_add(
            errors, CONFIG_WARNING, (struct config_place){ .file = file, .path = "hopgate" },
            "is left out, a store has Kong's entities only: put it into a file of its "
            "own, and name that in hopgate_extras_file");
    r = entities ? put_into(store, entities, errors) : CLI_FAILED;
    if (r == CLI_OK)
        (void)printf("import successful\n");
    json_decref(entities);
    return r;
}
