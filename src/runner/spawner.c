#include "runner/spawner.h"

#include "runner/job/job.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BASE_IDLE_MS 1000

struct job_fds {          // what a runner begins with
    int control, secrets; // -1: there is none
};

union control_data { // aligned as the kernel wants it
    char bytes[CMSG_SPACE(sizeof(struct job_fds))];
    struct cmsghdr align;
};

// The descriptors that came with a message.
static struct job_fds passed_fds(struct msghdr *message)
{
    struct job_fds fds = {-1, -1};
    const struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len <= CMSG_LEN(sizeof(fds)))
        memcpy(&fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    return fds;
}

// False at the end.
static bool receive(int socket, char dir[PATH_MAX], struct job_fds *ret)
{
    union control_data data = {0};
    struct iovec part = {dir, PATH_MAX - 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = data.bytes, .msg_controllen = sizeof(data.bytes)};
    ssize_t len;
    while ((len = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (len <= 0)
        return false;
    dir[len] = 0;
    *ret = passed_fds(&message);
    return true;
}

// What runs long after its worker must not keep the worker's terminal or pipes open.
static void let_go_of_standard_fds(void)
{
    CLEANUP(close_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= STDERR_FILENO && null >= 0; fd++)
        dup2(null, fd);
}

static struct confine_base *make_base(const char *const hidden[CONFINE_PATHS_MAX])
{
    struct confine_options options = {0};
    if (!hidden || !confine_available())
        return NULL;
    memcpy(options.hidden, hidden, sizeof(options.hidden));
    job_usual_paths(&options, 0);
    return confine_base_new(&options);
}

// What it keeps open must not be kept for long.
static void wait_for_request(int socket, struct confine_base *base)
{
    struct pollfd fd = {.fd = socket, .events = POLLIN};
    if (base && poll(&fd, 1, BASE_IDLE_MS) == 0)
        confine_base_forget(base);
}

NORETURN static void serve(int socket, const char *const hidden[CONFINE_PATHS_MAX])
{
    char dir[PATH_MAX];
    struct job_fds fds;
    prctl(PR_SET_NAME, "runnel-spawner", 0, 0, 0);
    let_go_of_standard_fds();
    setsid();                 // what a terminal's keys say is for the worker
    signal(SIGCHLD, SIG_IGN); // runners are nobody's to wait for
    json_object_seed(0);      // once, and not in each of them
    struct confine_base *base = make_base(hidden);
    while (wait_for_request(socket, base), receive(socket, dir, &fds)) {
        if (base)
            confine_base_refresh(base);
        pid_t pid = fork();
        if (pid == 0) {
            close_fd(&socket);
            _exit(job_run(&(struct job_call){dir, fds.control, fds.secrets, base}));
        }
        close_fd(&fds.control); // the end of which tells our parent if there was no fork
        close_fd(&fds.secrets);
    }
    _exit(0);
}

int spawner_start(const char *const hidden[CONFINE_PATHS_MAX], struct spawner *ret)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    malloc_trim(0);
    pid_t pid = fork();
    if (pid == 0) {
        close_fd(&fds[0]);
        serve(fds[1], hidden);
    }
    int err = pid < 0 ? -errno : 0;
    close_fd(&fds[1]);
    if (err < 0)
        close_fd(&fds[0]);
    ret->fd = fds[0];
    return err;
}

int spawner_ask(const struct spawner *spawner, const char *dir, int secrets_fd, int *ret_control)
{
    int fds[2];
    union control_data data = {0};
    struct iovec part = {(char *)(uintptr_t)dir, strlen(dir)};
    size_t size = secrets_fd >= 0 ? sizeof(struct job_fds) : sizeof(int);
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = data.bytes, .msg_controllen = CMSG_SPACE(size)};
    if (part.iov_len == 0 || part.iov_len >= PATH_MAX)
        return -ENAMETOOLONG;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), &(struct job_fds){fds[1], secrets_fd}, size);
    int err = sendmsg(spawner->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
    close_fd(&fds[1]);
    if (err < 0)
        close_fd(&fds[0]);
    else
        *ret_control = fds[0];
    return err;
}

void spawner_stop(struct spawner *spawner)
{
    close_fd(&spawner->fd);
}
