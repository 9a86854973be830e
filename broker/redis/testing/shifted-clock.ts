/**
 * Has a Redis server believe that it is another time of day, by a library of a few lines that is compiled here. (libfaketime does not get on with
 * Redis's memory allocator.)
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Asks the kernel, not the C library, which is what is replaced here. Clocks that only run are left alone: intervals stay what they are. */
const SOURCE = `
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += SHIFT;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int result = syscall(SYS_gettimeofday, now, zone);
  if (result == 0) now->tv_sec += SHIFT;
  return result;
}

time_t time(time_t *now) {
  struct timespec it;
  clock_gettime(CLOCK_REALTIME, &it);
  if (now) *now = it.tv_sec;
  return it.tv_sec;
}
`;

export interface ShiftedClock {
  /** What is put before a server's command. */
  readonly under: readonly string[];
  remove(): void;
}

/** Undefined where there is no C compiler, or one without the C library's headers. `seconds`: what the clock is ahead. */
export function shiftedClock(seconds: number): ShiftedClock | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'passerelle-clock-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const library = join(directory, 'clock.so');
  const args = ['-shared', '-fPIC', `-DSHIFT=(${seconds})`, '-x', 'c', '-', '-o', library];
  const { error, status, stderr } = spawnSync('cc', args, { input: SOURCE });
  if (status === 0) return { under: ['env', `LD_PRELOAD=${library}`], remove };
  remove();
  if (error !== undefined || /fatal error: \S+: No such file/.test(String(stderr))) return undefined;
  throw new Error(`The library for a shifted clock cannot be compiled:\n${stderr}`);
}
