/** The settings of rates and of shares, which `config.ts` lists among the gateway's own, behind `MAX_CONNECTIONS`. */
import { type IntegerSetting, integer, type SettingTable } from '../settings/setting.ts';

const limit = (name: string, fallback: number, max: number, unit: string, about: string): IntegerSetting =>
  integer(name, fallback, { min: 0, max, unit, about: `${about} 0 sets no limit.` });

export const LIMIT_SETTINGS = {
  maxConnectionsPerAddress: limit(
    'MAX_CONNECTIONS_PER_ADDRESS',
    5_000,
    1_000_000,
    'connections',
    'WebSocket and SSE connections of one client address together. Whole companies and mobile networks come from one address, so be generous; of an IPv6 ' +
      'address its network of 64 bits counts, and loopback addresses are not limited. Behind a proxy set TRUSTED_PROXIES, or all clients have the address of the proxy.',
  ),
  maxConnectionsPerUser: limit(
    'MAX_CONNECTIONS_PER_USER',
    1_000,
    1_000_000,
    'connections',
    'Connections of one user on this gateway. Anonymous connections and API keys are not limited.',
  ),
  maxConnectsPerSecond: limit(
    'MAX_CONNECTS_PER_SECOND',
    5_000,
    100_000,
    'connections per second',
    "How many connections may be opened per second, and one second's worth (at least 10) at once. More are not refused: each is told to come back at another moment of the following seconds.",
  ),
  maxEventLoopLagMs: limit(
    'MAX_EVENT_LOOP_LAG_MS',
    1_000,
    60_000,
    'milliseconds',
    'While the process is further behind than this, new connections are told to come back some seconds later, so that those that are open are served.',
  ),
  maxPresenceNoticesPerSecond: limit(
    'MAX_PRESENCE_NOTICES_PER_SECOND',
    250_000,
    10_000_000,
    'notices per second',
    'How many notices of who joined or left this gateway writes to its connections per second, all channels together: where N members join one channel at once, each is told to N ' +
      'others. More are left out, and the subscribers of such a channel are told once that its list has changed.',
  ),
  maxFramesPerSecond: limit(
    'MAX_FRAMES_PER_SECOND',
    10_000,
    1_000_000,
    'frames per second',
    "How many frames of any kind one WebSocket connection may send, and two seconds' worth at once. One that sends more is closed with 4429, as it would keep the gateway from everybody else.",
  ),
  maxInboxBytes: integer('MAX_INBOX_BYTES', 16_777_216, {
    min: 65_536,
    max: 1_073_741_824,
    unit: 'bytes',
    about:
      'What may wait for its turn of all that one WebSocket connection has sent at once; all connections together may have four times as much. One that sends faster than ' +
      'it can be served is closed with 4429.',
  }),
  maxPublishesPerSecond: limit(
    'MAX_PUBLISHES_PER_SECOND',
    10_000,
    100_000,
    'publishes per second',
    "How much one WebSocket connection may publish, and two seconds' worth at once. More is answered with too_many.",
  ),
  maxUserPublishesPerSecond: limit(
    'MAX_USER_PUBLISHES_PER_SECOND',
    20_000,
    100_000,
    'publishes per second',
    'The same for all that one user publishes through this gateway, over every connection and by HTTP.',
  ),
  maxKeyPublishesPerSecond: limit(
    'MAX_KEY_PUBLISHES_PER_SECOND',
    0,
    100_000,
    'publishes per second',
    'The same for all that is published by one API key through this gateway: a server that spreads over several gets as many times as much. Each publish of a batch counts.',
  ),
  maxAddressPublishesPerSecond: limit(
    'MAX_ADDRESS_PUBLISHES_PER_SECOND',
    10_000,
    100_000,
    'publishes per second',
    'The same for all that comes by HTTP from one client address and shows neither token nor API key. Addresses count as for MAX_CONNECTIONS_PER_ADDRESS.',
  ),
  maxPublishBytesPerSecond: limit(
    'MAX_PUBLISH_BYTES_PER_SECOND',
    10_485_760,
    10_737_418_240,
    'bytes per second',
    "How many bytes of data (as JSON) one WebSocket connection may publish, and two seconds' worth at once. More is answered with too_many. One event may be larger than that: it then uses up the seconds after it.",
  ),
  maxUserPublishBytesPerSecond: limit(
    'MAX_USER_PUBLISH_BYTES_PER_SECOND',
    20_971_520,
    10_737_418_240,
    'bytes per second',
    'The same for all that one user publishes through this gateway, over every connection and by HTTP.',
  ),
  maxKeyPublishBytesPerSecond: limit(
    'MAX_KEY_PUBLISH_BYTES_PER_SECOND',
    0,
    10_737_418_240,
    'bytes per second',
    'The same for all that is published by one API key through this gateway.',
  ),
  maxAddressPublishBytesPerSecond: limit(
    'MAX_ADDRESS_PUBLISH_BYTES_PER_SECOND',
    20_971_520,
    10_737_418_240,
    'bytes per second',
    'The same for all that comes from one client address and shows neither token nor API key, by HTTP and over every connection. Addresses count as for MAX_CONNECTIONS_PER_ADDRESS.',
  ),
  maxReadBytesPerSecond: limit(
    'MAX_READ_BYTES_PER_SECOND',
    10_485_760,
    10_737_418_240,
    'bytes per second',
    "How many bytes one WebSocket connection or SSE stream may read of what is kept (history, lists of who is there, what a tail or a resume brings), and two seconds' worth at once; each read " +
      'counts 1,024 more. Further requests are answered with too_many, and a tail or a resume waits.',
  ),
  maxUserReadBytesPerSecond: limit(
    'MAX_USER_READ_BYTES_PER_SECOND',
    20_971_520,
    10_737_418_240,
    'bytes per second',
    'The same for all that one user reads through this gateway, over every connection and by HTTP.',
  ),
  maxKeyReadBytesPerSecond: limit(
    'MAX_KEY_READ_BYTES_PER_SECOND',
    104_857_600,
    10_737_418_240,
    'bytes per second',
    'The same for all that is read by one API key through this gateway.',
  ),
  maxAddressReadBytesPerSecond: limit(
    'MAX_ADDRESS_READ_BYTES_PER_SECOND',
    20_971_520,
    10_737_418_240,
    'bytes per second',
    'The same for all that comes from one client address and shows neither token nor API key, by HTTP and over every connection. Addresses count as for MAX_CONNECTIONS_PER_ADDRESS.',
  ),
  maxReadsPerConnection: integer('MAX_READS_PER_CONNECTION', 2, {
    min: 1,
    max: 64,
    unit: 'reads',
    about:
      'How many requests of one WebSocket connection that read (history, lists of who is there) are under way at a time. 256 more wait for these, and until the connection has read the ' +
      'answers; beyond it is too_many.',
  }),
  maxReadsPerAddress: limit(
    'MAX_READS_PER_ADDRESS',
    64,
    100_000,
    'requests',
    'How many HTTP requests that read may be unanswered of one client address without a token or API key. More are answered with too_many.',
  ),
  maxUnreadAnswerBytes: integer('MAX_UNREAD_ANSWER_BYTES', 67_108_864, {
    min: 1_048_576,
    max: 17_179_869_184,
    unit: 'bytes',
    about:
      'How many bytes of answers to HTTP requests may wait for clients that do not read them, of all together; of one address a quarter of it. Until they are read further requests that read are answered with too_many.',
  }),
  maxBodiesBytes: integer('MAX_BODIES_BYTES', 67_108_864, {
    min: 1_048_576,
    max: 17_179_869_184,
    unit: 'bytes',
    about:
      'The bodies of HTTP requests in memory, all together, from their first byte to the answer. One that is too much is answered with 503 and unavailable. At least one of MAX_BODY_BYTES is always taken.',
  }),
  maxAddressBodiesBytes: limit(
    'MAX_ADDRESS_BODIES_BYTES',
    16_777_216,
    17_179_869_184,
    'bytes',
    'The same for all that come from one client address; more is answered with 429 and too_many. At least one of MAX_BODY_BYTES is always taken. Addresses count as for MAX_CONNECTIONS_PER_ADDRESS.',
  ),
  maxAnonymousBodyBytes: integer('MAX_ANONYMOUS_BODY_BYTES', 131_072, {
    min: 1_024,
    max: 67_108_864,
    unit: 'bytes',
    about:
      'Where authentication is configured, the largest body of a request that shows neither token nor API key, if that is less than MAX_BODY_BYTES.',
  }),
  bodyTimeoutSeconds: integer('BODY_TIMEOUT_SECONDS', 60, {
    min: 1,
    max: 3_600,
    unit: 'seconds',
    about:
      'How long the body of a request may take to come. One that takes longer is answered with 408, and its connection ends. (One that comes at less than 16 KB a second is cut off within some 10 seconds.)',
  }),
  maxRefusals: limit(
    'MAX_REFUSALS',
    1_000,
    1_000_000,
    'refusals',
    'How often a connection may be told too_many in 10 seconds before it is closed with 4429.',
  ),
  maxPenaltySeconds: integer('MAX_PENALTY_SECONDS', 30, {
    min: 0,
    max: 3_600,
    unit: 'seconds',
    about:
      'Whoever was closed with 4429 may open no new connection for one second, and each further time for twice as long, up to this: the user of its token, or else its ' +
      'address (a loopback address for one second at most). 0 lets it come back at once, with fresh limits.',
  }),
} satisfies SettingTable;
