/*
 * A counter store in a file, for POSIX systems. It reads the whole file for each tap, so it is for up to some thousand tags.
 *
 * The lock makes the comparison and the write one step, for threads and for processes. fsync makes the mark durable. Each record has 32 bytes
 * and stays within a sector of the disk, which a power cut leaves either old or new.
 *
 * Never delete the file or restore an old copy: old taps would be accepted again.
 */
#ifndef FILE_STORE_H
#define FILE_STORE_H

#include <fcntl.h>
#include <string.h>
#include <suntap.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_store_record {
    uint8_t id[16];
    suntap_mark_t mark;
};

/* Creates an empty store in the folder. Call it once, when the program is installed. Returns 0, or -1 if the file exists or on an error. */
static inline int file_store_create(const char *folder, const char *name)
{
    int at = open(folder, O_RDONLY | O_DIRECTORY);
    int file = at < 0 ? -1 : openat(at, name, O_RDWR | O_CREAT | O_EXCL, 0600);
    /* Without the second fsync, the file could be missing after a power cut. */
    int result = file < 0 || fsync(file) != 0 || fsync(at) != 0 ? -1 : 0;
    if (file >= 0)
        close(file);
    if (at >= 0)
        close(at);
    return result;
}

static inline int32_t file_store_advance_in(int file, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    struct file_store_record record;
    off_t place = 0;
    ssize_t len;
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        return SUNTAP_FAILED;
    /* A shorter record at the end is of a write that a power cut interrupted. Its tap was not accepted. */
    while ((len = pread(file, &record, sizeof record, place)) == sizeof record && memcmp(record.id, id, 16) != 0)
        place += (off_t)sizeof record;
    if (len < 0)
        return SUNTAP_FAILED;
    if (len < (ssize_t)sizeof record) {
        memset(&record, 0, sizeof record);
        memcpy(record.id, id, 16);
    }
    int32_t answer = suntap_mark_advance(&record.mark, ctr, at, stored);
    if (answer != SUNTAP_ADVANCED)
        return answer;
    if (pwrite(file, &record, sizeof record, place) != (ssize_t)sizeof record || fsync(file) != 0)
        return SUNTAP_FAILED;
    return SUNTAP_ADVANCED;
}

/* The function of the store. `ctx` is the path of the file, which must exist. */
static inline int32_t file_store_advance(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    /* Each call opens the file, because threads that share an open file share its lock. */
    int file = open((const char *)ctx, O_RDWR);
    if (file < 0)
        return SUNTAP_FAILED;
    int32_t answer = flock(file, LOCK_EX) == 0 ? file_store_advance_in(file, id, ctr, at, stored) : SUNTAP_FAILED;
    close(file);
    return answer;
}

#endif
