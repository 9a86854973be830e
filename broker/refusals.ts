/** Why a store that answers refuses to do what it is asked: each as a code for programs, and in words for people. */

/** The codes are Redis's own error prefixes. */
export type StoreRefusal = 'OOM' | 'MISCONF' | 'READONLY' | 'NOPERM' | 'NOREPLICAS';

const WORDS: Readonly<Record<StoreRefusal, string>> = {
  OOM: 'its memory is full (OOM)',
  MISCONF: 'it could not save its data to disk (MISCONF)',
  READONLY: 'it is a replica (READONLY)',
  NOPERM: 'its user lacks a permission (NOPERM)',
  NOREPLICAS: 'too few of its replicas are in step (NOREPLICAS)',
};

/** Continues the sentence "Redis refuses it, as …". */
export function describeRefusal(refusal: StoreRefusal): string {
  return WORDS[refusal];
}

const PREFIXED = /^(OOM|MISCONF|READONLY|NOPERM|NOREPLICAS)\b/;
/** What a script answers whose user lacks a permission: Redis 7.0, and later versions. */
const IN_SCRIPT = /^ERR (The user executing the script can't|ACL failure in script)/;

/** The refusal that an error reply of Redis stands for; undefined for any other failure. */
export function refusalOf(reply: string): StoreRefusal | undefined {
  if (IN_SCRIPT.test(reply)) return 'NOPERM';
  const [, code] = PREFIXED.exec(reply) ?? [];
  switch (code) {
    case 'OOM':
    case 'MISCONF':
    case 'READONLY':
    case 'NOPERM':
    case 'NOREPLICAS':
      return code;
    default:
      return undefined;
  }
}
