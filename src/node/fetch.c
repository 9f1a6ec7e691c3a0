/* What a user names by its address on the web, mostly a .torrent: fetched as the node fetches, so
 * that whatever binds or hides its traffic binds and hides this too. See kith.h. */
#include "node/net/egress.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_PATIENCE SECONDS(30)
#define FETCH_SIZE_MAX ((uint64_t)192 << 20) /* bytes, whatever the caller allows */

struct fetch {
    struct kith_node *node;
    struct env_http *http; /* NULL: it has ended */
    struct builder body;
};

static bool body(void *user, int status, struct bytes chunk)
{
    struct fetch *f = user;
    if (status == 200)
        builder_span(&f->body, chunk);
    return builder_ok(&f->body);
}

static void done(void *user, int err, int status, const char *detail)
{
    struct fetch *f = user;
    char text[NODE_TEXT_MAX];
    f->http = NULL;
    if (!builder_ok(&f->body))
        err = ERR_LIMIT;
    snprintf(text, sizeof text, "%s", err ? (*detail ? detail : err_text(err)) : "");
    if (!err && status != 200) {
        err = status == 404 || status == 410 ? ERR_NOT_FOUND : ERR_PROTOCOL;
        snprintf(text, sizeof text, "HTTP status %d", status);
    }
    node_event(f->node, KITH_EVENT_FETCHED, NULL, err, text);
}

static const struct env_http_events events = {body, done};

int kith_fetch(struct kith_node *n, const char *url, uint64_t size_max)
{
    if (n->fetch && n->fetch->http)
        return node_fail(n, ERR_BUSY, "one fetch at a time");
    fetch_free(n);
    struct fetch *f = calloc(1, sizeof *f);
    if (!f)
        return ERR_NOMEM;
    uint64_t max = size_max > 0 && size_max < FETCH_SIZE_MAX ? size_max : FETCH_SIZE_MAX;
    struct env_http_request request = {.url = url,
        .user_agent = n->user_agent,
        .source = ADDR_FROM_USER,
        .body_max = max,
        .timeout = FETCH_PATIENCE};
    f->node = n;
    f->body = builder_heap((size_t)max);
    n->fetch = f;
    int err = egress_http(n, &request, &events, f, &f->http);
    return err ? node_fail(n, err, "%s", url) : 0;
}

const void *kith_fetched(struct kith_node *n, size_t *size_out)
{
    bool there = n->fetch && !n->fetch->http && builder_ok(&n->fetch->body);
    *size_out = there ? n->fetch->body.size : 0;
    return there ? n->fetch->body.data : NULL;
}

void fetch_free(struct kith_node *n)
{
    struct fetch *f = n->fetch;
    if (!f)
        return;
    if (f->http)
        env_http_cancel(f->http);
    builder_free(&f->body);
    free(f);
    n->fetch = NULL;
}
