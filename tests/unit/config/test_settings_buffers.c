/* settings_buffers: what nginx would not start with is refused here, too, at its place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "tests/check.h"
#include "tests/config_text.h"

/* `want`: a part of what is said; "": nothing is. */
static void check(const char *text, const char *want)
{
    struct settings *settings = NULL;
    struct config_errors errors;
    char *problems;

    config_errors_init(&errors);
    CHECK_INT(settings_load_text(slice_of(text), "k.conf", NULL, &settings, &errors),
              *want ? -EINVAL : 0);
    problems = config_errors_text(&errors);
    if (*want ? !strstr(problems, want) : *problems)
        fail_msg("%s: said \"%s\", not \"%s\"", text, problems, want);
    free(problems);
    config_errors_done(&errors);
    settings_free(settings);
}

TEST(sizes_that_fit_are_taken)
{
    check("", "");
    check("nginx_http_proxy_buffer_size = 8k\n", "");
    check("nginx_http_proxy_buffers = 3 4k\n", "");
    check("nginx_http_proxy_buffer_size = 128k\nnginx_proxy_proxy_buffers = 4 256k\n"
          "nginx_http_proxy_busy_buffers_size = 256k\n",
          "");
    check("nginx_http_proxy_max_temp_file_size = 0\n", "");
    check("nginx_http_proxy_temp_file_write_size = 4k\n", "");
}

TEST(sizes_that_do_not_fit_are_refused)
{
    check("nginx_http_proxy_buffers = 1 4k\n", "k.conf:1");
    check("nginx_http_proxy_buffers = 1 4k\n", "at least 2");
    check("\nnginx_http_proxy_buffer_size = 128k\n", "k.conf:2");
    check("nginx_http_proxy_buffer_size = 128k\n", "minus one buffer");
    check("nginx_http_proxy_buffers = 2 4k\n", "minus one buffer");
    check("nginx_http_proxy_busy_buffers_size = 2k\n", "equal to or greater");
    check("nginx_http_proxy_busy_buffers_size = 32k\n", "minus one buffer");
    check("nginx_http_proxy_temp_file_write_size = 2k\n", "equal to or greater");
    check("nginx_http_proxy_max_temp_file_size = 1k\n", "which disables files");
}

TESTS(TEST_CASE(sizes_that_fit_are_taken), TEST_CASE(sizes_that_do_not_fit_are_refused))
