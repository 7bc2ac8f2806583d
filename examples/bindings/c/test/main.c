/* Runs the checks on a computer: with guard pages after each text, and with threads. */
#define _GNU_SOURCE
#include "../example/file_store.h"
#include "checks.h"
#include "ram_store.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void say(const char *text)
{
    fputs(text, stdout);
}

static void *guarded_pages(size_t *size)
{
    *size = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 2 * *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + *size, *size, PROT_NONE) != 0) {
        perror("guard page");
        exit(1);
    }
    return pages;
}

/* The text ends at a page that cannot be read. */
const char *fenced(const char *text, size_t len)
{
    static char *pages;
    static size_t size;
    if (pages == NULL)
        pages = guarded_pages(&size);
    char *start = pages + size - len;
    memcpy(start, text, len);
    return start;
}

struct shared {
    const suntap_verifier_t *verifier;
    struct ram_store ram;
    pthread_mutex_t mutex;
    pthread_barrier_t start;
    int accepted;
};

static int32_t locked_advance(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    struct shared *shared = ctx;
    pthread_mutex_lock(&shared->mutex);
    int32_t answer = ram_store_advance(&shared->ram, id, ctr, at, stored);
    pthread_mutex_unlock(&shared->mutex);
    return answer;
}

static void *contestant(void *ctx)
{
    struct shared *shared = ctx;
    suntap_store_t store = {shared, locked_advance};
    suntap_tap_t tap;
    pthread_barrier_wait(&shared->start);
    suntap_code_t code = suntap_admit(shared->verifier, SAMPLE->url, strlen(SAMPLE->url), &store, 0, &tap, NULL);
    pthread_mutex_lock(&shared->mutex);
    shared->accepted += code == SUNTAP_FRESH ? 1 : code == SUNTAP_REPLAYED ? 0 : 1000;
    pthread_mutex_unlock(&shared->mutex);
    return NULL;
}

/* Eight threads send the same tap at the same time. Exactly one may be accepted. */
static unsigned one_of_many_threads_is_accepted(void)
{
    static suntap_verifier_t verifier;
    static struct shared shared;
    unsigned wrong = make_verifier(SAMPLE, &verifier, NULL) != 0;
    for (int round = 0; round < 100; round++) {
        pthread_t threads[8];
        shared = (struct shared){.verifier = &verifier};
        pthread_mutex_init(&shared.mutex, NULL);
        pthread_barrier_init(&shared.start, NULL, 8);
        for (int i = 0; i < 8; i++)
            if (pthread_create(&threads[i], NULL, contestant, &shared) != 0)
                exit(1);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
        wrong += shared.accepted != 1;
        pthread_barrier_destroy(&shared.start);
    }
    suntap_verifier_wipe(&verifier);
    return wrong;
}

/* Places each argument at the end of a page, so that a read or a write after its end is found. */
static unsigned nothing_after_an_argument_is_touched(void)
{
    struct {
        uint8_t *pages;
        size_t size;
    } at[5];
    for (size_t i = 0; i < 5; i++)
        at[i].pages = guarded_pages(&at[i].size);
#define END(i, type) ((type *)(void *)(at[i].pages + at[i].size - sizeof(type)))
    suntap_verifier_t *verifier = END(0, suntap_verifier_t);
    suntap_tap_t *tap = END(1, suntap_tap_t);
    suntap_why_t *why = END(2, suntap_why_t);
    suntap_store_t *store = END(3, suntap_store_t);
    suntap_key_t *key = END(4, suntap_key_t);
    static struct ram_store ram;
    unsigned wrong = suntap_key_from_hex(key, SAMPLE->file_read_key, 32) != 0;
    suntap_settings_t *settings = END(3, suntap_settings_t);
    memset(settings, 0, sizeof *settings);
    settings->scheme = SAMPLE->scheme;
    /* The key of the sample is the same for both uses. */
    wrong += strcmp(SAMPLE->meta_read_key, SAMPLE->file_read_key) != 0;
    settings->meta_read_key = settings->file_read_key = key;
    settings->url_template = fenced(SAMPLE->url_template, strlen(SAMPLE->url_template) + 1);
    wrong += suntap_verifier_init(verifier, sizeof *verifier, settings, why) != 0;
    *store = (suntap_store_t){&ram, ram_store_advance};
    const char *url = fenced(SAMPLE->url, strlen(SAMPLE->url));
    wrong += suntap_admit(verifier, url, strlen(SAMPLE->url), store, 0, tap, why) != 0;
    wrong += suntap_admit(verifier, url, strlen(SAMPLE->url), store, 0, tap, why) != SUNTAP_REPLAYED;
    ram.count = 0;
    wrong += suntap_store_check(store, 1, why) != 0;
    suntap_verifier_wipe(verifier);
    suntap_key_wipe(key);
    return wrong;
}

/* The store in a file: keeps the rules, also for many processes; keeps its marks; and fails if it cannot read or write. */
static unsigned file_store_keeps_its_marks(void)
{
    char folder[] = "/tmp/suntap-XXXXXX", path[64];
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/counters", folder);
    static suntap_verifier_t verifier;
    suntap_store_t store = {path, file_store_advance};
    suntap_tap_t tap;
    suntap_why_t why = {{0}};
    size_t len = strlen(SAMPLE->url);
    unsigned wrong = make_verifier(SAMPLE, &verifier, NULL) != 0;
    /* The file is missing. */
    wrong += suntap_admit(&verifier, SAMPLE->url, len, &store, 0, &tap, NULL) != SUNTAP_STORE_FAILED;
    wrong += file_store_create(folder, "counters") != 0;
    wrong += file_store_create(folder, "counters") == 0;
    wrong += suntap_store_check(&store, 1, &why) != 0;
    say(why.text);
    /* A power cut during the write of a new record. */
    struct stat before;
    wrong += stat(path, &before) != 0 || truncate(path, before.st_size + 5) != 0;
    /* Eight processes send the same tap. Exactly one may be accepted. */
    fflush(stdout);
    int accepted = 0;
    for (int i = 0; i < 8; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(suntap_admit(&verifier, SAMPLE->url, len, &store, 0, &tap, NULL));
        wrong += child < 0;
    }
    int status;
    while (wait(&status) > 0) {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        accepted += code == SUNTAP_FRESH;
        wrong += code != SUNTAP_FRESH && code != SUNTAP_REPLAYED;
    }
    wrong += accepted != 1;
    struct stat after;
    wrong += stat(path, &after) != 0 || after.st_size != before.st_size + 32;
    wrong += suntap_admit(&verifier, SAMPLE->url, len, &store, 0, &tap, NULL) != SUNTAP_REPLAYED;
    wrong += suntap_store_check(&store, 2, NULL) != 0;
    wrong += suntap_admit(&verifier, SAMPLE->url, len, &store, 0, &tap, NULL) != SUNTAP_REPLAYED;
    suntap_store_t device = {(void *)(uintptr_t)"/dev/zero", file_store_advance};
    wrong += suntap_admit(&verifier, SAMPLE->url, len, &device, 0, &tap, NULL) != SUNTAP_STORE_FAILED;
    /* No space: the process may not write to files. */
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        signal(SIGXFSZ, SIG_IGN);
        _exit(setrlimit(RLIMIT_FSIZE, &none) != 0 || suntap_store_check(&store, 3, NULL) != SUNTAP_STORE_FAILED);
    }
    wrong += waitpid(child, &status, 0) != child || status != 0;
    unlink(path);
    rmdir(folder);
    return wrong;
}

int main(void)
{
    unsigned failures = run_checks();
    unsigned threads = one_of_many_threads_is_accepted();
    unsigned guards = nothing_after_an_argument_is_touched();
    unsigned file = file_store_keeps_its_marks();
    say_number("rounds of threads that failed: ", threads);
    say_number("; calls at the end of a page that failed: ", guards);
    say_number("; steps with the store in a file that failed: ", file);
    say("\n");
    return failures + threads + guards + file == 0 ? 0 : 1;
}
