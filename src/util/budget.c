#include "util/budget.h"

struct budget_account {
    struct map_node node;
    struct budget *budget;
    int64_t id;
    unsigned refs; // protected by budget.mutex
    _Atomic size_t held[BUDGET_HOLDER_COUNT];
};

struct budget {
    uint64_t memory_max;
    size_t bounds[BUDGET_HOLDER_COUNT];
    _Atomic size_t held[BUDGET_HOLDER_COUNT];
    _Atomic uint64_t refused[BUDGET_HOLDER_COUNT];
    pthread_mutex_t mutex; // protects the accounts
    struct map accounts;
};

static const struct {
    unsigned sixteenths;
    uint64_t most; // MiB; 0: no other limit
} parts[] = {
#define BUDGET_PART(name, sixteenths, most, what, policy) {sixteenths, most},
    BUDGET_HOLDERS(BUDGET_PART)
#undef BUDGET_PART
};

struct budget *budget_new(uint64_t memory_max)
{
    struct budget *budget = xcalloc(1, sizeof(*budget));
    budget->memory_max = memory_max;
    for (size_t i = 0; i < BUDGET_HOLDER_COUNT; i++) {
        uint64_t bound = memory_max / 16 * parts[i].sixteenths;
        if (parts[i].most)
            bound = MIN(bound, parts[i].most * 1024 * 1024);
        budget->bounds[i] = (size_t)bound;
    }
    pthread_mutex_init(&budget->mutex, NULL);
    map_init(&budget->accounts);
    return budget;
}

void budget_free(struct budget **budget_ptr)
{
    struct budget *budget = TAKE_PTR(*budget_ptr);
    if (!budget)
        return;
    map_release(&budget->accounts);
    pthread_mutex_destroy(&budget->mutex);
    free(budget);
}

uint64_t budget_max(const struct budget *budget)
{
    return budget->memory_max;
}

size_t budget_bound(const struct budget *budget, enum budget_holder holder)
{
    return budget->bounds[holder];
}

static size_t load(const _Atomic size_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

size_t budget_held(const struct budget *budget, enum budget_holder holder)
{
    return load(&budget->held[holder]);
}

uint64_t budget_refused(const struct budget *budget, enum budget_holder holder)
{
    return atomic_load_explicit(&budget->refused[holder], memory_order_relaxed);
}

size_t budget_connection_max(const struct budget *budget, enum budget_holder holder)
{
    return budget ? budget->bounds[holder] / 8 : SIZE_MAX;
}

// --- Accounts

struct budget_account *budget_account(struct budget *budget, int64_t id)
{
    if (!budget)
        return NULL;
    pthread_mutex_lock(&budget->mutex);
    struct map_node *node = map_find(&budget->accounts, str_n((const char *)&id, sizeof(id)));
    struct budget_account *account = node ? CONTAINER_OF(node, struct budget_account, node) : NULL;
    if (!account) {
        account = xcalloc(1, sizeof(*account));
        account->budget = budget;
        account->id = id;
        map_insert(&budget->accounts, &account->node, str_n((const char *)&account->id, sizeof(account->id)));
    }
    account->refs++;
    pthread_mutex_unlock(&budget->mutex);
    return account;
}

struct budget_account *budget_account_ref(struct budget_account *account)
{
    return account ? budget_account(account->budget, account->id) : NULL;
}

void budget_account_unref(struct budget_account **account_ptr)
{
    struct budget_account *account = TAKE_PTR(*account_ptr);
    if (!account)
        return;
    struct budget *budget = account->budget;
    pthread_mutex_lock(&budget->mutex);
    bool last = --account->refs == 0;
    if (last)
        map_remove(&budget->accounts, &account->node);
    pthread_mutex_unlock(&budget->mutex);
    if (last)
        free(account);
}

// --- Taking and giving

static void subtract(_Atomic size_t *counter, size_t bytes)
{
    atomic_fetch_sub_explicit(counter, bytes, memory_order_relaxed);
}

static size_t add(_Atomic size_t *counter, size_t bytes)
{
    return atomic_fetch_add_explicit(counter, bytes, memory_order_relaxed) + bytes;
}

// Whether a holding is fair. `own` and `all` are what the account and everybody would hold after the step.
static bool fair(const struct budget_account *account, enum budget_holder holder, size_t own, size_t all, bool first)
{
    size_t bound = account->budget->bounds[holder];
    if (all > bound || (account->id == BUDGET_NOBODY && own > BUDGET_STRANGERS))
        return false;
    return first || own <= bound - all;
}

bool budget_take(struct budget_account *account, enum budget_holder holder, size_t bytes)
{
    if (!account || bytes == 0)
        return true;
    struct budget *budget = account->budget;
    size_t own = add(&account->held[holder], bytes), all = add(&budget->held[holder], bytes);
    if (fair(account, holder, own, all, own == bytes))
        return true;
    budget_give(account, holder, bytes);
    atomic_fetch_add_explicit(&budget->refused[holder], 1, memory_order_relaxed);
    return false;
}

void budget_charge(struct budget_account *account, enum budget_holder holder, size_t bytes)
{
    if (!account || bytes == 0)
        return;
    add(&account->held[holder], bytes);
    add(&account->budget->held[holder], bytes);
}

void budget_give(struct budget_account *account, enum budget_holder holder, size_t bytes)
{
    if (!account || bytes == 0)
        return;
    subtract(&account->held[holder], bytes);
    subtract(&account->budget->held[holder], bytes);
}

bool budget_within(const struct budget_account *account, enum budget_holder holder)
{
    if (!account)
        return true;
    size_t own = load(&account->held[holder]);
    return own == 0 || fair(account, holder, own, load(&account->budget->held[holder]), false);
}

size_t budget_room(const struct budget_account *account, enum budget_holder holder)
{
    if (!account)
        return SIZE_MAX;
    size_t own = load(&account->held[holder]), all = load(&account->budget->held[holder]),
           bound = account->budget->bounds[holder], free = bound > all ? bound - all : 0;
    if (account->id == BUDGET_NOBODY)
        free = MIN(free, own < BUDGET_STRANGERS ? BUDGET_STRANGERS - own : 0);
    if (own == 0)
        return free;
    return free > own ? (free - own) / 2 : 0;
}

bool budget_tight(const struct budget_account *account, enum budget_holder holder)
{
    if (!account)
        return false;
    size_t own = load(&account->held[holder]), all = load(&account->budget->held[holder]),
           bound = account->budget->bounds[holder], free = bound > all ? bound - all : 0;
    if (account->id == BUDGET_NOBODY)
        free = MIN(free, BUDGET_STRANGERS);
    return free < bound / 4 || own > free / 3;
}

// --- Leases

static void lease_move(struct budget_lease *lease, struct budget_account *account, enum budget_holder holder,
                       size_t bytes)
{
    if (bytes > 0 && !lease->account)
        lease->account = budget_account_ref(account);
    lease->holder = holder;
    lease->bytes = bytes;
    if (bytes == 0)
        budget_account_unref(&lease->account);
}

bool budget_lease_set(struct budget_lease *lease, struct budget_account *account, enum budget_holder holder,
                      size_t bytes)
{
    if (!account || lease->bytes == bytes)
        return true;
    if (bytes > lease->bytes && !budget_take(account, holder, bytes - lease->bytes))
        return false;
    if (bytes < lease->bytes)
        budget_give(account, holder, lease->bytes - bytes);
    lease_move(lease, account, holder, bytes);
    return true;
}

void budget_lease_charge(struct budget_lease *lease, struct budget_account *account, enum budget_holder holder,
                         size_t bytes)
{
    if (!account)
        return;
    if (bytes > lease->bytes)
        budget_charge(account, holder, bytes - lease->bytes);
    else
        budget_give(account, holder, lease->bytes - bytes);
    lease_move(lease, account, holder, bytes);
}

void budget_lease_release(struct budget_lease *lease)
{
    budget_give(lease->account, lease->holder, lease->bytes);
    budget_account_unref(&lease->account);
    lease->bytes = 0;
}
