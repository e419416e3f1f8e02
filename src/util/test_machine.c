#include "util/file.h"
#include "util/machine.h"
#include "util/testing.h"

#define GIB ((uint64_t)1024 * 1024 * 1024)

struct file {
    const char *path, *text;
};

static uint64_t memory_of(const struct file *files, size_t count)
{
    char root[] = "/tmp/test_machine.XXXXXX";
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < count; i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", root, files[i].path);
        CLEANUP(free_ptr) char *folder = xstrdup(path);
        *strrchr(folder, '/') = '\0';
        assert_int_equal(dir_make_all(folder, 0700), 0);
        assert_int_equal(file_write_atomic(path, files[i].text, strlen(files[i].text), 0600), 0);
    }
    uint64_t bytes = machine_memory(root);
    CLEANUP(free_ptr) char *command = xasprintf("rm -r %s", root);
    assert_int_equal(system(command), 0);
    return bytes;
}

#define MEMORY_OF(...) memory_of((const struct file[]){__VA_ARGS__}, ARRAY_LEN(((const struct file[]){__VA_ARGS__})))
#define MEMINFO                                                          \
    {                                                                    \
        "proc/meminfo", "MemTotal:        8388608 kB\nMemFree:   1 kB\n" \
    }

static void without_a_group_it_is_the_machines(void **state)
{
    (void)state;
    assert_int_equal(MEMORY_OF(MEMINFO), 8 * GIB);
    assert_int_equal(MEMORY_OF(MEMINFO, {"proc/self/cgroup", "0::/\n"}), 8 * GIB);
    assert_int_equal(MEMORY_OF({"proc/self/cgroup", "0::/\n"}), 0);
}

static void a_group_of_version_2_limits_it(void **state)
{
    (void)state;
    assert_int_equal(MEMORY_OF(MEMINFO, {"proc/self/cgroup", "0::/user.slice/run.scope\n"},
                               {"sys/fs/cgroup/user.slice/run.scope/memory.max", "1073741824\n"}),
                     GIB);
    assert_int_equal(MEMORY_OF(MEMINFO, {"proc/self/cgroup", "0::/a/b\n"}, {"sys/fs/cgroup/a/b/memory.max", "max\n"}),
                     8 * GIB);
}

static void a_group_above_limits_it_too(void **state)
{
    (void)state;
    assert_int_equal(MEMORY_OF(MEMINFO, {"proc/self/cgroup", "0::/a/b\n"}, {"sys/fs/cgroup/a/b/memory.max", "max\n"},
                               {"sys/fs/cgroup/a/memory.max", "2147483648\n"}),
                     2 * GIB);
}

static void in_a_container_the_mount_is_its_group(void **state)
{
    (void)state;
    assert_int_equal(
        MEMORY_OF(MEMINFO, {"proc/self/cgroup", "0::/docker/0123\n"}, {"sys/fs/cgroup/memory.max", "536870912\n"}),
        GIB / 2);
}

static void a_group_of_version_1_limits_it(void **state)
{
    (void)state;
    assert_int_equal(MEMORY_OF(MEMINFO, {"proc/self/cgroup", "9:cpu,cpuacct:/x\n4:memory:/docker/0123\n"},
                               {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
                               {"sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "1073741824\n"}),
                     GIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_group_it_is_the_machines), cmocka_unit_test(a_group_of_version_2_limits_it),
        cmocka_unit_test(a_group_above_limits_it_too),        cmocka_unit_test(in_a_container_the_mount_is_its_group),
        cmocka_unit_test(a_group_of_version_1_limits_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
