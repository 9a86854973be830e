/** What `createGateway` takes. Written by `npm run docs` from the table in `config.ts`. */

/** The settings, by the names of the environment variables; an empty text counts as not given. */
export interface Settings {
  /**
   * The TCP port to listen on. 0 takes any free one, which the log then names.
   * Allowed: 0 to 65535. Default: 8080.
   */
  readonly PORT?: number | string | undefined;
  /**
   * The address to listen on. The default can be reached from this machine only; 0.0.0.0 opens the
   * gateway to the network.
   * Allowed: an IP address of this machine, or a host name. Default: 127.0.0.1.
   */
  readonly HOST?: string | undefined;
  /**
   * The TCP port on which the gateway answers /healthz, /readyz, /metrics and /stats to operators and
   * their tools, by plain HTTP/1.0 and 1.1 and until the process ends. The public port then no longer
   * answers /readyz, /metrics and /stats. 0 takes any free one. Without it all of them are on the public
   * port.
   * Allowed: 0 to 65535. Default: none.
   */
  readonly INTERNAL_PORT?: number | string | undefined;
  /**
   * The address of INTERNAL_PORT. It asks for no credentials: where others than this machine must reach
   * it, as in Kubernetes, let only probes and Prometheus do so.
   * Allowed: an IP address of this machine, or a host name. Default: 127.0.0.1.
   */
  readonly INTERNAL_HOST?: string | undefined;
  /**
   * With production the gateway does not start without authentication, unless ALLOW_ANONYMOUS is on.
   * Nothing else depends on it.
   * Allowed: development, test, production. Default: development.
   */
  readonly NODE_ENV?: string | undefined;
  /**
   * The Redis that carries and keeps the events. Without it everything is kept in the memory of this one
   * process and lost with it.
   * Allowed: redis://[user:password@]host:port[/db],
   * redis+sentinel://[user:password@]host:port,…/master[/db],
   * redis+cluster://[user:password@]host:port,…, or unix:///path/redis.sock[?db=N]; valkey for redis as
   * well, rediss or valkeys for TLS; ?sentinelPassword= and &sentinelUsername= where the Sentinels ask
   * for them. Default: none.
   */
  readonly REDIS_URL?: string | undefined;
  /**
   * Whether the gateway starts only with a REDIS_URL. Where several gateways are one deployment, each
   * that lacks it would keep events of its own.
   * Allowed: on, off (1, true and 0, false mean the same). Default: off.
   */
  readonly REDIS_REQUIRED?: boolean | string | undefined;
  /**
   * What every key and Redis channel name begins with. Gateways with one prefix in one database of one
   * Redis are one deployment.
   * Allowed: 1 to 64 characters of A-Z a-z 0-9 _ . : -. Default: passerelle.
   */
  readonly REDIS_PREFIX?: string | undefined;
  /**
   * How long one command may take before its outcome counts as unknown.
   * Allowed: 100 to 60000 milliseconds. Default: 5000.
   */
  readonly REDIS_TIMEOUT_MS?: number | string | undefined;
  /**
   * The name of this gateway in logs, metrics and presence. No two running gateways may share one; in
   * Kubernetes use the name of the pod.
   * Allowed: 1 to 64 characters of A-Z a-z 0-9 _ . -. Default: generated.
   */
  readonly GATEWAY_ID?: string | undefined;
  /**
   * The least weighty messages that are still logged, as JSON lines on standard output.
   * Allowed: trace, debug, info, warn, error, fatal, silent. Default: info.
   */
  readonly LOG_LEVEL?: string | undefined;
  /**
   * The OpenTelemetry collector (OTLP by HTTP, usually port 4318) that gets the traces of events, from
   * publishing to delivery. Without it there are none, and they cost nothing.
   * Allowed: an http or https URL, without user and password. Default: none.
   */
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  /**
   * The share of events that are traced, the same ones by all gateways.
   * Allowed: a number from 0 to 1. Default: 1.
   */
  readonly OTEL_TRACES_SAMPLER_ARG?: number | string | undefined;
  /**
   * Namespaces and their settings, beside the built-in ones. It must be the same on every gateway.
   * Allowed: the path of a JSON file. Default: none.
   */
  readonly CHANNELS_FILE?: string | undefined;
  /**
   * The origins, besides the gateway's own, whose pages may connect and publish. null is what local
   * files and sandboxed frames send, whoever made them.
   * Allowed: origins such as https://a.example, https://*.a.example (all subdomains), http://localhost:*
   * (all ports), capacitor://localhost or chrome-extension://ID (apps and extensions) or null, separated
   * by commas; or *. Default: same origin.
   */
  readonly ALLOWED_ORIGINS?: string | undefined;
  /**
   * The hosts by which the gateway may be reached: another Host is answered with 403. Those of this
   * machine (localhost, 127.0.0.0/8, [::1]) always may. Without it any host may, but where there is no
   * authentication, HOST is of this machine and no TRUSTED_PROXIES are set, only those of this machine:
   * a page could otherwise have its own name lead to a gateway that is not for it.
   * Allowed: names and addresses without ports such as gateway.example.com or, for all subdomains,
   * *.example.com, separated by commas, or *. Default: see there.
   */
  readonly ALLOWED_HOSTS?: string | undefined;
  /**
   * The proxies in front of the gateway whose word counts on which address a client has. Without it a
   * client has the address that is connected, which behind a proxy is the proxy.
   * Allowed: addresses and networks such as 10.0.0.0/8, separated by commas, or how many proxies there
   * are, 1 to 16. Default: none.
   */
  readonly TRUSTED_PROXIES?: number | string | undefined;
  /**
   * The header into which those proxies write from whom they got a request. The other one is not read:
   * proxies may pass it on as a client has written it.
   * Allowed: x-forwarded-for, forwarded. Default: x-forwarded-for.
   */
  readonly PROXY_HEADER?: string | undefined;
  /**
   * Whether the proxy in front begins each connection with a PROXY protocol header (version 2), which
   * then says where the connection comes from. Only where nobody can reach the gateway but by that
   * proxy: anybody else could claim any address.
   * Allowed: on, off (1, true and 0, false mean the same). Default: off.
   */
  readonly PROXY_PROTOCOL?: boolean | string | undefined;
  /**
   * Whether a WebSocket frame that is no command is echoed. With off it is answered with an error.
   * Allowed: on, off (1, true and 0, false mean the same). Default: on.
   */
  readonly ECHO?: boolean | string | undefined;
  /**
   * The largest WebSocket frame, and the largest data of one event. A larger frame closes its connection
   * with 1009.
   * Allowed: 1024 to 16777216 bytes. Default: 65536.
   */
  readonly MAX_MESSAGE_BYTES?: number | string | undefined;
  /**
   * Whether WebSockets may be compressed (permessage-deflate), where the client offers it, as browsers
   * do; SSE never is. It saves bytes and costs each single delivery several times the CPU. shared is one
   * compressor for all connections, which takes no memory for each, and begins anew with every frame;
   * there is no word for one of their own, as that takes 75 KB for each connection.
   * Allowed: off, shared. Default: off.
   */
  readonly COMPRESSION?: string | undefined;
  /**
   * Whether a connection takes another HTTP request after an answer. The socket library closes one that
   * is silent for 8 to 12 seconds, and has no setting for that: with off every answer says Connection:
   * close, for load balancers that keep connections for longer and cannot be told otherwise.
   * Allowed: on, off (1, true and 0, false mean the same). Default: on.
   */
  readonly HTTP_KEEP_ALIVE?: boolean | string | undefined;
  /**
   * The largest body of an HTTP request, such as a batch of publishes, and about the largest answer to a
   * request for history.
   * Allowed: 1024 to 67108864 bytes. Default: 1048576.
   */
  readonly MAX_BODY_BYTES?: number | string | undefined;
  /**
   * WebSocket and SSE connections together; one more is told that the server is full. Each takes a file
   * descriptor, so keep it at most three quarters of the limit (ulimit -n; the default suits 20000): the
   * rest is for HTTP requests and Redis.
   * Allowed: 1 to 1000000 connections. Default: 15000.
   */
  readonly MAX_CONNECTIONS?: number | string | undefined;
  /**
   * How many channels one WebSocket connection may be subscribed to at a time.
   * Allowed: 1 to 10000 channels. Default: 128.
   */
  readonly MAX_CHANNELS_PER_CONNECTION?: number | string | undefined;
  /**
   * How many channels one SSE stream may name. Not fewer than MAX_CHANNELS_PER_CONNECTION, or the
   * browser client cannot fall back to SSE with all of its channels. Each adds about 16 bytes to the
   * position that a browser sends back; beyond 8 channels a reconnect from another origin needs a
   * preflight.
   * Allowed: 1 to 256 channels. Default: 128.
   */
  readonly MAX_CHANNELS_PER_STREAM?: number | string | undefined;
  /**
   * WebSocket and SSE connections of one client address together. Whole companies and mobile networks
   * come from one address, so be generous; of an IPv6 address its network of 64 bits counts, and
   * loopback addresses are not limited. Behind a proxy set TRUSTED_PROXIES, or all clients have the
   * address of the proxy. 0 sets no limit.
   * Allowed: 0 to 1000000 connections. Default: 5000.
   */
  readonly MAX_CONNECTIONS_PER_ADDRESS?: number | string | undefined;
  /**
   * Connections of one user on this gateway. Anonymous connections and API keys are not limited. 0 sets
   * no limit.
   * Allowed: 0 to 1000000 connections. Default: 1000.
   */
  readonly MAX_CONNECTIONS_PER_USER?: number | string | undefined;
  /**
   * How many connections may be opened per second, and one second's worth (at least 10) at once. More
   * are not refused: each is told to come back at another moment of the following seconds. 0 sets no
   * limit.
   * Allowed: 0 to 100000 connections per second. Default: 5000.
   */
  readonly MAX_CONNECTS_PER_SECOND?: number | string | undefined;
  /**
   * While the process is further behind than this, new connections are told to come back some seconds
   * later, so that those that are open are served. 0 sets no limit.
   * Allowed: 0 to 60000 milliseconds. Default: 1000.
   */
  readonly MAX_EVENT_LOOP_LAG_MS?: number | string | undefined;
  /**
   * How many notices of who joined or left this gateway writes to its connections per second, all
   * channels together: where N members join one channel at once, each is told to N others. More are left
   * out, and the subscribers of such a channel are told once that its list has changed. 0 sets no limit.
   * Allowed: 0 to 10000000 notices per second. Default: 250000.
   */
  readonly MAX_PRESENCE_NOTICES_PER_SECOND?: number | string | undefined;
  /**
   * How many frames of any kind one WebSocket connection may send, and two seconds' worth at once. One
   * that sends more is closed with 4429, as it would keep the gateway from everybody else. 0 sets no
   * limit.
   * Allowed: 0 to 1000000 frames per second. Default: 10000.
   */
  readonly MAX_FRAMES_PER_SECOND?: number | string | undefined;
  /**
   * What may wait for its turn of all that one WebSocket connection has sent at once; all connections
   * together may have four times as much. One that sends faster than it can be served is closed with
   * 4429.
   * Allowed: 65536 to 1073741824 bytes. Default: 16777216.
   */
  readonly MAX_INBOX_BYTES?: number | string | undefined;
  /**
   * How much one WebSocket connection may publish, and two seconds' worth at once. More is answered with
   * too_many. 0 sets no limit.
   * Allowed: 0 to 100000 publishes per second. Default: 10000.
   */
  readonly MAX_PUBLISHES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that one user publishes through this gateway, over every connection and by HTTP. 0
   * sets no limit.
   * Allowed: 0 to 100000 publishes per second. Default: 20000.
   */
  readonly MAX_USER_PUBLISHES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that is published by one API key through this gateway: a server that spreads over
   * several gets as many times as much. Each publish of a batch counts. 0 sets no limit.
   * Allowed: 0 to 100000 publishes per second. Default: 0.
   */
  readonly MAX_KEY_PUBLISHES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that comes by HTTP from one client address and shows neither token nor API key.
   * Addresses count as for MAX_CONNECTIONS_PER_ADDRESS. 0 sets no limit.
   * Allowed: 0 to 100000 publishes per second. Default: 10000.
   */
  readonly MAX_ADDRESS_PUBLISHES_PER_SECOND?: number | string | undefined;
  /**
   * How many bytes of data (as JSON) one WebSocket connection may publish, and two seconds' worth at
   * once. More is answered with too_many. One event may be larger than that: it then uses up the seconds
   * after it. 0 sets no limit.
   * Allowed: 0 to 10737418240 bytes per second. Default: 10485760.
   */
  readonly MAX_PUBLISH_BYTES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that one user publishes through this gateway, over every connection and by HTTP. 0
   * sets no limit.
   * Allowed: 0 to 10737418240 bytes per second. Default: 20971520.
   */
  readonly MAX_USER_PUBLISH_BYTES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that is published by one API key through this gateway. 0 sets no limit.
   * Allowed: 0 to 10737418240 bytes per second. Default: 0.
   */
  readonly MAX_KEY_PUBLISH_BYTES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that comes from one client address and shows neither token nor API key, by HTTP and
   * over every connection. Addresses count as for MAX_CONNECTIONS_PER_ADDRESS. 0 sets no limit.
   * Allowed: 0 to 10737418240 bytes per second. Default: 20971520.
   */
  readonly MAX_ADDRESS_PUBLISH_BYTES_PER_SECOND?: number | string | undefined;
  /**
   * How many bytes one WebSocket connection or SSE stream may read of what is kept (history, lists of
   * who is there, what a tail or a resume brings), and two seconds' worth at once; each read counts
   * 1,024 more. Further requests are answered with too_many, and a tail or a resume waits. 0 sets no
   * limit.
   * Allowed: 0 to 10737418240 bytes per second. Default: 10485760.
   */
  readonly MAX_READ_BYTES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that one user reads through this gateway, over every connection and by HTTP. 0 sets
   * no limit.
   * Allowed: 0 to 10737418240 bytes per second. Default: 20971520.
   */
  readonly MAX_USER_READ_BYTES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that is read by one API key through this gateway. 0 sets no limit.
   * Allowed: 0 to 10737418240 bytes per second. Default: 104857600.
   */
  readonly MAX_KEY_READ_BYTES_PER_SECOND?: number | string | undefined;
  /**
   * The same for all that comes from one client address and shows neither token nor API key, by HTTP and
   * over every connection. Addresses count as for MAX_CONNECTIONS_PER_ADDRESS. 0 sets no limit.
   * Allowed: 0 to 10737418240 bytes per second. Default: 20971520.
   */
  readonly MAX_ADDRESS_READ_BYTES_PER_SECOND?: number | string | undefined;
  /**
   * How many requests of one WebSocket connection that read (history, lists of who is there) are under
   * way at a time. 256 more wait for these, and until the connection has read the answers; beyond it is
   * too_many.
   * Allowed: 1 to 64 reads. Default: 2.
   */
  readonly MAX_READS_PER_CONNECTION?: number | string | undefined;
  /**
   * How many HTTP requests that read may be unanswered of one client address without a token or API key.
   * More are answered with too_many. 0 sets no limit.
   * Allowed: 0 to 100000 requests. Default: 64.
   */
  readonly MAX_READS_PER_ADDRESS?: number | string | undefined;
  /**
   * How many bytes of answers to HTTP requests may wait for clients that do not read them, of all
   * together; of one address a quarter of it. Until they are read further requests that read are
   * answered with too_many.
   * Allowed: 1048576 to 17179869184 bytes. Default: 67108864.
   */
  readonly MAX_UNREAD_ANSWER_BYTES?: number | string | undefined;
  /**
   * The bodies of HTTP requests in memory, all together, from their first byte to the answer. One that
   * is too much is answered with 503 and unavailable. At least one of MAX_BODY_BYTES is always taken.
   * Allowed: 1048576 to 17179869184 bytes. Default: 67108864.
   */
  readonly MAX_BODIES_BYTES?: number | string | undefined;
  /**
   * The same for all that come from one client address; more is answered with 429 and too_many. At least
   * one of MAX_BODY_BYTES is always taken. Addresses count as for MAX_CONNECTIONS_PER_ADDRESS. 0 sets no
   * limit.
   * Allowed: 0 to 17179869184 bytes. Default: 16777216.
   */
  readonly MAX_ADDRESS_BODIES_BYTES?: number | string | undefined;
  /**
   * Where authentication is configured, the largest body of a request that shows neither token nor API
   * key, if that is less than MAX_BODY_BYTES.
   * Allowed: 1024 to 67108864 bytes. Default: 131072.
   */
  readonly MAX_ANONYMOUS_BODY_BYTES?: number | string | undefined;
  /**
   * How long the body of a request may take to come. One that takes longer is answered with 408, and its
   * connection ends. (One that comes at less than 16 KB a second is cut off within some 10 seconds.)
   * Allowed: 1 to 3600 seconds. Default: 60.
   */
  readonly BODY_TIMEOUT_SECONDS?: number | string | undefined;
  /**
   * How often a connection may be told too_many in 10 seconds before it is closed with 4429. 0 sets no
   * limit.
   * Allowed: 0 to 1000000 refusals. Default: 1000.
   */
  readonly MAX_REFUSALS?: number | string | undefined;
  /**
   * Whoever was closed with 4429 may open no new connection for one second, and each further time for
   * twice as long, up to this: the user of its token, or else its address (a loopback address for one
   * second at most). 0 lets it come back at once, with fresh limits.
   * Allowed: 0 to 3600 seconds. Default: 30.
   */
  readonly MAX_PENALTY_SECONDS?: number | string | undefined;
  /**
   * A WebSocket that sends nothing for this long, not even a pong, is closed. The ping goes out 8
   * seconds earlier, so stay below the idle timeout of every proxy in front (nginx: 60 seconds), or the
   * proxy cuts the connection before the first ping.
   * Allowed: 8 to 960 seconds. Default: 40.
   */
  readonly IDLE_TIMEOUT_SECONDS?: number | string | undefined;
  /**
   * How much may wait in memory for one slow reader, and a quarter of it more for each channel that it
   * follows. Beyond it the connection lags: nothing is queued for it, and it replays from history once
   * it reads again.
   * Allowed: 1024 to 16777216 bytes. Default: 16384.
   */
  readonly MAX_BACKPRESSURE_BYTES?: number | string | undefined;
  /**
   * How long a connection may lag without reading anything before it is closed with 4408.
   * Allowed: 1 to 3600 seconds. Default: 30.
   */
  readonly LAG_TIMEOUT_SECONDS?: number | string | undefined;
  /**
   * How many of its latest events each channel in use keeps ready in memory, so that a resume needs no
   * Redis.
   * Allowed: 1 to 65536 events. Default: 256.
   */
  readonly RING_EVENTS?: number | string | undefined;
  /**
   * The memory of all those events together.
   * Allowed: 1048576 to 17179869184 bytes. Default: 67108864.
   */
  readonly RING_BYTES?: number | string | undefined;
  /**
   * How many reads of what Redis keeps (history, lists of who is there, tails, resumes) may be under way
   * at a time, a quarter of them by one user or address; further ones wait, in turn, for
   * REDIS_TIMEOUT_MS at most. It bounds what a storm of resumes costs Redis.
   * Allowed: 1 to 1024 reads. Default: 64.
   */
  readonly HISTORY_READS?: number | string | undefined;
  /**
   * How many bytes the reads under way may bring together, at most.
   * Allowed: 1048576 to 1073741824 bytes. Default: 8388608.
   */
  readonly READ_WINDOW_BYTES?: number | string | undefined;
  /**
   * After this much silence an SSE stream sends a comment, so that no proxy takes it for dead.
   * Allowed: 1 to 300 seconds. Default: 15.
   */
  readonly KEEP_ALIVE_SECONDS?: number | string | undefined;
  /**
   * How long an SSE client waits before it reconnects; each stream is told a jittered value around it.
   * Allowed: 100 to 600000 milliseconds. Default: 2000.
   */
  readonly RETRY_MS?: number | string | undefined;
  /**
   * How often every channel's position is compared with Redis, so that a subscription that died without
   * a word is noticed.
   * Allowed: 1 to 300 seconds. Default: 5.
   */
  readonly POSITION_CHECK_SECONDS?: number | string | undefined;
  /**
   * How long no event may come through Redis before /readyz says 503: a short failover need not empty
   * every replica at once. Less than 3 counts as 3, as it is tried once a second.
   * Allowed: 0 to 600 seconds. Default: 10.
   */
  readonly READY_GRACE_SECONDS?: number | string | undefined;
  /**
   * How long after SIGTERM a gateway goes on as before while /readyz says 503: whoever sends it clients
   * needs that time to learn of it. Where nobody asks /readyz, 0 will do.
   * Allowed: 0 to 300000 milliseconds. Default: 3000.
   */
  readonly DRAIN_SETTLE_MS?: number | string | undefined;
  /**
   * Over how long a gateway that leaves then closes its connections, evenly: its number of connections
   * divided by this is how many a second come to the other gateways. 0 closes all at once.
   * Allowed: 0 to 3600000 milliseconds. Default: 5000.
   */
  readonly DRAIN_WINDOW_MS?: number | string | undefined;
  /**
   * After this long a gateway that leaves ends at once, whatever is left. It must be more than
   * DRAIN_SETTLE_MS and DRAIN_WINDOW_MS together; keep it below the grace period of what stops the
   * gateway (Docker: 10 seconds, Kubernetes: 30).
   * Allowed: 1 to 3900 seconds. Default: 10.
   */
  readonly SHUTDOWN_TIMEOUT_SECONDS?: number | string | undefined;
  /**
   * The authorities that have signed the certificate of Redis (or that certificate itself), in place of
   * those that Node.js knows. Read at the start.
   * Allowed: the path of a file with certificates in PEM form. Default: none.
   */
  readonly REDIS_TLS_CA_FILE?: string | undefined;
  /**
   * What the gateway shows to a Redis that asks for a certificate, as one does unless it has
   * "tls-auth-clients no". Read at the start.
   * Allowed: the path of a file with a certificate in PEM form. Default: none.
   */
  readonly REDIS_TLS_CERT_FILE?: string | undefined;
  /**
   * The key that goes with REDIS_TLS_CERT_FILE; neither is given without the other.
   * Allowed: the path of a file with the private key of that certificate in PEM form. Default: none.
   */
  readonly REDIS_TLS_KEY_FILE?: string | undefined;
  /**
   * With it, and TLS_KEY_FILE, the gateway serves https and wss itself (TLS 1.2 or later) and nothing in
   * the clear. Both files are looked at every few seconds: a renewed certificate is used for new
   * connections, those that stand go on.
   * Allowed: the path of a file with a certificate in PEM form, followed by those that lead to its root.
   * Default: none.
   */
  readonly TLS_CERT_FILE?: string | undefined;
  /**
   * The key that goes with TLS_CERT_FILE; neither is given without the other.
   * Allowed: the path of a file with the private key of that certificate in PEM form. Default: none.
   */
  readonly TLS_KEY_FILE?: string | undefined;
  /**
   * What decrypts the private key in TLS_KEY_FILE, where that is encrypted.
   * Allowed: 1 to 256 characters in one line, with no space at either end. Default: none.
   */
  readonly TLS_KEY_PASSPHRASE?: string | undefined;
  /**
   * The secret by which the tokens of users (JSON Web Tokens) are signed with HS256, from 48 bytes on
   * also with HS384, and from 64 bytes on with HS512. Make one with: openssl rand -base64 32. Where no
   * key for tokens and no API key is given there is no authentication: everybody may do everything.
   * Allowed: text of at least 32 bytes. Default: none.
   */
  readonly TOKEN_SECRET?: string | undefined;
  /**
   * The public keys of whoever signs tokens: RSA (RS256, RS384, RS512, PS256, PS384, PS512), P-256
   * (ES256), P-384 (ES384), P-521 (ES512) or Ed25519 (EdDSA). Each key takes tokens of the algorithms of
   * its own type only. With several, one can take the place of another in steps.
   * Allowed: public keys in PEM form, one after the other (line breaks may be written as \n), or the
   * path of a file of them. Default: none.
   */
  readonly TOKEN_PUBLIC_KEYS?: string | undefined;
  /**
   * Where the issuer of tokens publishes its keys as a JSON Web Key Set. Fetched when it is first
   * needed, every 10 minutes while in use, and when a token names an unknown key; used for a day where
   * it cannot be fetched.
   * Allowed: an https URL (http for this machine only), without user and password. Default: none.
   */
  readonly TOKEN_JWKS_URL?: string | undefined;
  /**
   * What the "iss" of every token must be. Without it that is not looked at.
   * Allowed: 1 to 256 characters in one line. Default: none.
   */
  readonly TOKEN_ISSUER?: string | undefined;
  /**
   * What the "aud" of every token must be or have. Without it that is not looked at: then no other
   * application may be issued tokens that are signed by the same key.
   * Allowed: 1 to 256 characters in one line. Default: none.
   */
  readonly TOKEN_AUDIENCE?: string | undefined;
  /**
   * How far the clock of whoever issues tokens may be ahead of this gateway's: a token is good so much
   * before its "nbf". Its end ("exp") is kept to the second, so fetch a fresh one some seconds before.
   * Allowed: 0 to 300 seconds. Default: 5.
   */
  readonly TOKEN_CLOCK_TOLERANCE_SECONDS?: number | string | undefined;
  /**
   * Whether every token must have an end ("exp"). One without cannot be taken back but by changing the
   * key, and tokens in URLs end up in logs.
   * Allowed: required, optional. Default: required.
   */
  readonly TOKEN_EXPIRY?: string | undefined;
  /**
   * The keys of servers, which may do everything in every channel. The name is what logs call a key.
   * Make a key with: openssl rand -hex 32.
   * Allowed: NAME:KEY or NAME:sha256:HEX, separated by commas; KEY is 16 to 512 characters of A-Z a-z
   * 0-9 . _ ~ + / = -, HEX its SHA-256 in 64 lower-case digits. Default: none.
   */
  readonly API_KEYS?: string | undefined;
  /**
   * Further keys of servers, each with the channels in which it may publish, subscribe, read the history
   * and see who is there.
   * Allowed: the path of a JSON file. Default: none.
   */
  readonly API_KEYS_FILE?: string | undefined;
  /**
   * Whether, where authentication is configured, somebody without a token is let in, to do what a
   * namespace allows to everyone. Where none is configured, on lets the gateway start with
   * NODE_ENV=production all the same.
   * Allowed: on, off (1, true and 0, false mean the same). Default: off.
   */
  readonly ALLOW_ANONYMOUS?: boolean | string | undefined;
}
