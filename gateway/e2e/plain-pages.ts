/**
 * Pages as people have them who wrote them years ago against some WebSocket server on port 8080: they know nothing of ids, positions,
 * tokens or this project's client. `GATEWAY` stands for the gateway's host and port.
 */
export const PLAIN_PAGES = {
  echo: `<!doctype html><title>Echo</title><ul id="log"></ul><script>
    const log = (text) => { const li = document.createElement('li'); li.textContent = text; document.getElementById('log').append(li); };
    const ws = new WebSocket('ws://GATEWAY/ws');
    ws.onopen = () => { ws.send('hello'); ws.send(JSON.stringify({ type: 'test', n: 1 })); ws.send(new Uint8Array([1, 2, 3])); };
    ws.binaryType = 'arraybuffer';
    ws.onmessage = (event) => {
      if (typeof event.data !== 'string') return log('binary ' + new Uint8Array(event.data).join(','));
      const data = JSON.parse(event.data);
      if (data.type === 'welcome') log('welcome ' + data.message);
      if (data.type === 'echo') log('echo ' + data.original + ' ' + !Number.isNaN(Date.parse(data.timestamp)));
    };
  </script>`,

  chat: `<!doctype html><title>Chat</title><p id="users"></p><ul id="log"></ul><script>
    const ws = new WebSocket('ws://GATEWAY/chat');
    const log = (text) => { const li = document.createElement('li'); li.textContent = text; document.getElementById('log').append(li); };
    const name = new URLSearchParams(location.search).get('name');
    ws.onopen = () => {
      ws.send(JSON.stringify({ type: 'set_username', username: name }));
      ws.send(JSON.stringify({ type: 'get_users' }));
    };
    ws.onmessage = (event) => {
      const data = JSON.parse(event.data);
      switch (data.type) {
        case 'message': log(data.username + ': ' + data.content + (Date.parse(data.timestamp) > 0 ? '' : ' without a time')); break;
        case 'user_joined': log(data.username + ' joined'); ws.send(JSON.stringify({ type: 'get_users' })); break;
        case 'user_left': log(data.username + ' left'); ws.send(JSON.stringify({ type: 'get_users' })); break;
        case 'username_changed': log(data.old_username + ' is now ' + data.new_username); ws.send(JSON.stringify({ type: 'get_users' })); break;
        case 'userlist': document.getElementById('users').textContent = data.users.join(', '); break;
        case 'error': log('error ' + data.error); break;
      }
    };
    window.say = (content) => ws.send(JSON.stringify({ type: 'message', content }));
  </script>`,

  events: `<!doctype html><title>Events</title><ul id="log"></ul><script>
    const log = (text) => { const li = document.createElement('li'); li.textContent = text; document.getElementById('log').append(li); };
    const source = new EventSource('http://GATEWAY/events');
    source.onopen = () => log('open');
    source.onmessage = (event) => log('message ' + event.data);
    source.addEventListener('price', (event) => log('price ' + JSON.parse(event.data).value));
    source.addEventListener('end', () => { source.close(); log('ended'); });
  </script>`,

  monitoring: `<!doctype html><title>Dashboard</title><p id="cpu"></p><p id="memory"></p><p id="disk"></p><p id="connections"></p><script>
    const source = new EventSource('http://GATEWAY/monitoring');
    const show = (id, text) => { document.getElementById(id).textContent = text; };
    source.addEventListener('stats', (event) => {
      const stats = JSON.parse(event.data);
      show('cpu', stats.cpu_usage.toFixed(1) + '%');
      show('memory', stats.memory_used + ' of ' + stats.memory_total + ' ' + stats.memory_percent.toFixed(1) + '%');
      show('disk', stats.disk_used + ' of ' + stats.disk_total + ' ' + stats.disk_percent.toFixed(1) + '%');
      show('connections', stats.active_connections + ' at ' + new Date(stats.timestamp).getFullYear());
    });
  </script>`,

  notifications: `<!doctype html><title>Notifications</title><b id="unread"></b><ul id="log"></ul><script>
    const ws = new WebSocket('ws://GATEWAY/notifications');
    let unread = 0;
    let last;
    const show = (n) => { const li = document.createElement('li'); li.textContent = n.priority + ' ' + n.title + ': ' + n.message; document.getElementById('log').append(li); last = n.id; };
    ws.onmessage = (event) => {
      const data = JSON.parse(event.data);
      if (data.type === 'history') { data.notifications.forEach(show); unread = data.unread; }
      if (data.type === 'notification') { show(data); unread++; }
      if (data.type === 'read') unread = data.unread;
      document.getElementById('unread').textContent = unread;
    };
    window.create = (title, message, priority) => ws.send(JSON.stringify({ type: 'create', title, message, priority }));
    window.readAll = () => ws.send(JSON.stringify({ type: 'read', id: last }));
  </script>`,
} as const;
