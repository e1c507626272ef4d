/* Sizes of proxy_buffers that do not fit each other: what ngx_http_proxy_merge_loc_conf refuses. */
#include "config/settings_priv.h"

static void refuse(const struct settings *settings, struct config_errors *errors, const char *key,
                   const char *text)
{
    config_errors_add(errors, CONFIG_ERROR, settings_place(settings, key), "%s", text);
}

void settings_check_buffers(const struct settings *settings, struct config_errors *errors)
{
    static const char size_key[] = "nginx_http_proxy_buffer_size";
    static const char buffers_key[] = "nginx_http_proxy_buffers";
    static const char busy_key[] = "nginx_http_proxy_busy_buffers_size";
    static const char write_key[] = "nginx_http_proxy_temp_file_write_size";
    static const char file_key[] = "nginx_http_proxy_max_temp_file_size";
    uint64_t each = settings->proxy_buffers_size_bytes;
    uint64_t largest =
        settings->proxy_buffer_size_bytes > each ? settings->proxy_buffer_size_bytes : each;
    bool busy_is_set = settings_is_set(settings, busy_key);
    uint64_t busy = busy_is_set ? settings->proxy_busy_size_bytes : 2 * largest;

    if (settings->proxy_buffers_count < 2)
        refuse(settings, errors, buffers_key, "there must be at least 2 buffers");
    else if (busy_is_set && busy < largest)
        refuse(settings, errors, busy_key,
               "it must be equal to or greater than the maximum of the value of "
               "nginx_http_proxy_buffer_size and one of the nginx_http_proxy_buffers");
    else if (busy > (settings->proxy_buffers_count - 1) * each)
        refuse(settings, errors,
               busy_is_set                           ? busy_key
               : settings_is_set(settings, size_key) ? size_key
                                                     : buffers_key,
               "nginx_http_proxy_busy_buffers_size (unless set, twice the largest buffer) must be "
               "less than the size of all nginx_http_proxy_buffers minus one buffer; make those "
               "larger or more");
    if (settings_is_set(settings, write_key) && settings->proxy_temp_write_size_bytes < largest)
        refuse(settings, errors, write_key,
               "it must be equal to or greater than the maximum of the value of "
               "nginx_http_proxy_buffer_size and one of the nginx_http_proxy_buffers");
    if (settings->proxy_max_temp_file_size_bytes != 0 &&
        settings->proxy_max_temp_file_size_bytes < largest)
        refuse(settings, errors, file_key,
               "it must be 0, which disables files, or equal to or greater than the maximum of the "
               "value of nginx_http_proxy_buffer_size and one of the nginx_http_proxy_buffers");
}
