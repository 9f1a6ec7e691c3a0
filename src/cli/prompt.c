/* See prompt.h. The terminal hands over each key at once: a line of its own would be cut at 4095
 * bytes, and links can be longer. Signals leave it as it was. */
#include "cli/prompt.h"

#include "cli/session.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define CONTROL(letter) ((letter)&0x1f)

static bool hide(struct termios *shown)
{
    if (tcgetattr(STDIN_FILENO, shown) != 0)
        return false;
    struct termios hidden = *shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    hidden.c_cc[VMIN] = 1;
    hidden.c_cc[VTIME] = 0;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
}

/* What a key does to the line. True: the line is at its end. */
static bool take_key(struct builder *line, size_t begin, uint8_t key, const struct termios *t)
{
    if (key == '\n' || key == '\r' || key == CONTROL('d'))
        return true;
    if (key == t->c_cc[VKILL])
        line->size = begin;
    else if (key == t->c_cc[VERASE] || key == '\b' || key == 0x7f)
        line->size -= line->size > begin;
    else
        builder_u8(line, key);
    return false;
}

/* 1: there is a line; 0: a signal came; -1: no more input. Signals come while it waits for a key,
 * and at no other time: `open` is the mask that lets them. */
static int read_line(
    struct builder *line, size_t begin, const struct termios *t, const sigset_t *open)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    uint8_t key;
    for (;;) {
        if (ppoll(&in, 1, NULL, open) < 0)
            return errno == EINTR ? 0 : -1;
        if (read(STDIN_FILENO, &key, 1) <= 0)
            return -1;
        if (take_key(line, begin, key, t))
            return 1;
    }
}

static int ask(const char *question, struct builder *line, size_t begin)
{
    struct termios shown;
    sigset_t closed, open;
    sigfillset(&closed);
    sigprocmask(SIG_BLOCK, &closed, &open);
    int got = -1;
    if (session_interrupted()) {
        got = 0;
    } else if (hide(&shown)) {
        fputs(question, stderr);
        got = read_line(line, begin, &shown, &open);
        tcsetattr(STDIN_FILENO, TCSANOW, &shown);
        fputc('\n', stderr);
    }
    sigprocmask(SIG_SETMASK, &open, NULL);
    return got;
}

bool prompt_unseen(const char *question, struct builder *out)
{
    struct term screen = {0};
    size_t begin = out->size;
    int got = 0;
    while (got == 0 && !session_interrupted()) {
        out->size = begin;
        got = ask(question, out, begin);
        session_heed_signals(&screen); /* Ctrl-Z stops here, and asks again when it goes on */
    }
    return got > 0;
}
