#include "cli/link.h"

#include "cli/log_reader.h"
#include "util/id.h"

#define RETRY_FIRST_MS 250
#define RETRY_MAX_MS   5000
#define CONNECT_MS     3000
#define DEAD_LINE_MS   60000 // the server pings every 20 s
#define SILENT_MS      10000 // the first frame comes at once
#define GOOD_MS        10000 // a connection that lasted so long counts as good

int link_init(struct link *link, struct cli *cli)
{
    const struct client_options *options = cli_server(cli);
    if (!options)
        return error_exit_code(ERR_INVALID);
    *link = (struct link){.cli = cli, .options = *options};
    link->options.connect_timeout_ms = CONNECT_MS;
    return 0;
}

void link_release(struct link *link)
{
    if (link->ws)
        client_ws_close(&link->ws, 1000);
    buf_release(&link->refusal);
}

struct pollfd link_poll(const struct link *link)
{
    if (!link->ws)
        return (struct pollfd){.fd = -1};
    short out = client_ws_pending(link->ws) > 0 ? POLLOUT : 0;
    return (struct pollfd){.fd = client_ws_fd(link->ws), .events = (short)(POLLIN | out)};
}

int link_wait_ms(const struct link *link, int most_ms)
{
    uint64_t now = clock_mono_ms();
    if (link->ws && client_ws_more(link->ws))
        return 0;
    if (link->state != LINK_DOWN)
        return most_ms;
    return link->due_ms <= now ? 0 : (int)MIN(link->due_ms - now, (uint64_t)most_ms);
}

json_t *link_frame(const char *type, const char *kind, const char *id)
{
    return json_pack("{s:s,s:s,s:s}", "type", type, "kind", kind, "id", id);
}

void link_send(struct link *link, json_t *frame)
{
    if (link->ws) {
        CLEANUP(json_text_free) char *text = json_dumps(frame, JSON_COMPACT);
        client_ws_send(link->ws, 1, text, strlen(text));
    }
    json_decref(frame);
}

// --- Opening and losing it

static void lost(struct link *link)
{
    uint64_t now = clock_mono_ms(), most = RETRY_FIRST_MS;
    if (link->ws) {
        if (link->heard && now - link->opened_ms >= GOOD_MS)
            link->failures = 0;
        client_ws_close(&link->ws, 1000);
    }
    for (unsigned i = 1; i < link->failures && most < RETRY_MAX_MS; i++)
        most *= 2;
    most = MIN(most, (uint64_t)RETRY_MAX_MS);
    link->due_ms = now + (link->failures == 0 ? 0 : most / 2 + random_u64() % (most / 2 + 1));
    link->failures++;
    link->state = LINK_DOWN;
}

// A proxy that does not know WebSocket gives a foreign answer, or none; or it passes on the request without its
// upgrade.
static void not_opened(struct link *link, int err, struct client_response *response)
{
    bool ours = log_reader_is_ours(response) && err != ERR_UPGRADE;
    bool final = ours ? log_reader_error_is_final(err) : response->status == 0 && err == ERR_WRONG_SERVER;
    if (final) {
        link->state = LINK_REFUSED;
        link->err = err;
        buf_reset(&link->refusal);
        if (ours)
            client_response_error(response, &link->refusal);
        else
            buf_append_text(&link->refusal, client_cause(response, err));
    } else if ((ours || link->reached) && err != ERR_UPGRADE) {
        lost(link);
    } else {
        link->state = LINK_BLOCKED;
    }
}

static void open_it(struct link *link)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    int err = client_ws_open(&link->options, "/ws/streams", NULL, &response, &link->ws);
    if (err) {
        not_opened(link, err, &response);
        return;
    }
    link->state = LINK_UP;
    link->opened_ms = clock_mono_ms();
    link->heard = false;
    snprintf(link->incarnation, sizeof(link->incarnation), "%s", response.incarnation);
    link->opened(link->owner);
}

// --- What comes

static void take(void *arg, int opcode, struct str data)
{
    struct link *link = arg;
    (void)opcode;
    link->heard = link->reached = true;
    link->loss_told = false;
    link->message(link->owner, data);
}

static void closed(struct link *link, unsigned code)
{
    if (code == 4401 || code == 4403) {
        link->state = LINK_REFUSED;
        link->err = code == 4401 ? ERR_UNAUTHORIZED : ERR_FORBIDDEN;
        buf_reset(&link->refusal);
        buf_append_text(&link->refusal, error_text(link->err));
        client_ws_close(&link->ws, 1000);
    } else {
        lost(link);
    }
}

static void receive(struct link *link)
{
    unsigned code = 0;
    int err = client_ws_receive(link->ws, take, link, &code);
    uint64_t now = clock_mono_ms();
    bool dead = now - client_ws_last_receive_ms(link->ws) >= DEAD_LINE_MS;
    if (err || dead) {
        closed(link, err == ERR_CLOSED ? code : 1006);
    } else if (!link->heard && !link->reached && now - link->opened_ms >= SILENT_MS) {
        client_ws_close(&link->ws, 1000);
        link->state = LINK_BLOCKED; // it is let through, but nothing that the server says
    } else if (client_ws_pending(link->ws) > 0) {
        client_ws_flush(link->ws);
    }
}

void link_step(struct link *link)
{
    if (link->ws)
        receive(link);
    else if (link->state == LINK_DOWN && clock_mono_ms() >= link->due_ms)
        open_it(link);
}
