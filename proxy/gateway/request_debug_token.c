#include "proxy/gateway/request_debug_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

/* A former one may be another user's, or a link: it is removed, never written through. */
static int write_file(const char *path, const char *token)
{
    int fd, r = 0;

    (void)unlink(path); /* mostly there is none; else open fails */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (write(fd, token, strlen(token)) != (ssize_t)strlen(token))
        r = errno ? -errno : -EIO;
    (void)close(fd);
    return r;
}

void request_debug_token_tell(const struct prefix *prefix, const char *token)
{
    char *path = token ? prefix_path(prefix, ".request_debug_token") : NULL;
    int r;

    if (!path)
        return;
    r = write_file(path, token);
    if (r < 0)
        log_error(LOG_LEVEL_ERROR, "failed to write .request_debug_token file: %s: %s", path,
                  strerror(-r));
    log_error(LOG_LEVEL_NOTICE, "[request-debug] token for request debugging: %s", token);
    free(path);
}
