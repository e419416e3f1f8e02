#include "cli/keys.h"

#include "util/str.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signal_set(sigset_t *ret)
{
    static const int signals[] = {SIGINT, SIGWINCH, SIGTSTP, SIGCONT, SIGTERM, SIGHUP};
    sigemptyset(ret);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        struct sigaction now;
        bool ignored = sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN; // as under nohup
        if (!ignored)
            sigaddset(ret, signals[i]);
    }
}

// --- The terminal

static bool in_foreground(int tty)
{
    return tcgetpgrp(tty) == getpgrp();
}

static void take_keys(struct keys *keys)
{
    if (keys->tty < 0 || keys->raw || !in_foreground(keys->tty) || tcgetattr(keys->tty, &keys->saved) < 0)
        return;
    struct termios raw = keys->saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    keys->raw = tcsetattr(keys->tty, TCSADRAIN, &raw) == 0;
}

static void give_back(struct keys *keys)
{
    if (keys->raw && in_foreground(keys->tty))
        tcsetattr(keys->tty, TCSADRAIN, &keys->saved);
    keys->raw = false;
}

void keys_init(struct keys *keys, bool wanted)
{
    sigset_t set;
    signal_set(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *keys = (struct keys){.tty = -1, .signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (wanted) // standard input may be the list of what the batch is made of
        keys->tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    take_keys(keys);
}

void keys_release(struct keys *keys)
{
    sigset_t set;
    signal_set(&set);
    give_back(keys);
    close_fd(&keys->tty);
    close_fd(&keys->signals);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

// --- What comes

static enum key take_signal(struct keys *keys)
{
    struct signalfd_siginfo info;
    if (keys->signals < 0 || read(keys->signals, &info, sizeof(info)) != sizeof(info))
        return KEY_NONE;
    switch (info.ssi_signo) {
    case SIGINT:
        return KEY_INTERRUPT;
    case SIGTERM:
    case SIGHUP:
        return KEY_END;
    case SIGTSTP:
        give_back(keys);
        kill(getpid(), SIGSTOP);
        take_keys(keys);
        return KEY_RESIZED;
    case SIGCONT:
        take_keys(keys);
        return KEY_RESIZED;
    default:
        return KEY_RESIZED;
    }
}

static const struct known_key {
    const char *bytes;
    enum key key;
} known_keys[] = {
    {"\033[A", KEY_UP},   {"\033OA", KEY_UP},    {"\033[B", KEY_DOWN},  {"\033OB", KEY_DOWN}, {"\033[D", KEY_BACK},
    {"\033OD", KEY_BACK}, {"\033[C", KEY_ENTER}, {"\033OC", KEY_ENTER}, {"k", KEY_UP},        {"j", KEY_DOWN},
    {"\r", KEY_ENTER},    {"\n", KEY_ENTER},     {"q", KEY_BACK},
};

static const struct known_key *known_at(struct str bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(known_keys); i++)
        if (str_starts(bytes, str_of(known_keys[i].bytes)))
            return &known_keys[i];
    return NULL;
}

static enum key take_byte(struct keys *keys)
{
    struct str left = str_n(keys->bytes + keys->at, keys->count - keys->at);
    const struct known_key *known = known_at(left);
    if (known) {
        keys->at += strlen(known->bytes);
        return known->key;
    }
    if (left.data[0] == '\033') { // alone it is Escape; else it begins a key that means nothing here
        keys->at = keys->count;
        return left.len == 1 ? KEY_BACK : KEY_NONE;
    }
    keys->letter = (char)(left.data[0] | 0x20);
    keys->at++;
    return KEY_OTHER;
}

enum key keys_next(struct keys *keys)
{
    enum key key = take_signal(keys);
    if (key != KEY_NONE || !keys->raw)
        return key;
    if (keys->at == keys->count) {
        ssize_t got = read(keys->tty, keys->bytes, sizeof(keys->bytes));
        keys->at = 0;
        keys->count = got > 0 ? (size_t)got : 0;
    }
    return keys->at < keys->count ? take_byte(keys) : KEY_NONE;
}
