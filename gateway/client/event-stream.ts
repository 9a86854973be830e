/** Reads the bytes of a `text/event-stream` as the blocks that a gateway writes. Knows the form only, not what the fields mean. */

/** The fields of one block. A comment is a field without a name. */
export type Block = Readonly<Partial<Record<'id' | 'event' | 'data' | 'retry' | '', string>>>;

/** A reader of one stream: for each run of bytes, in their order, the blocks that they complete. */
export function blockReader(): (bytes: Uint8Array) => readonly Block[] {
  const decoder = new TextDecoder();
  let rest = '';
  let fields: Record<string, string> = {};
  return (bytes) => {
    const blocks: Block[] = [];
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const colon = line.indexOf(': ');
      if (line !== '') fields[line.slice(0, colon)] = line.slice(colon + 2);
      else {
        blocks.push(fields);
        fields = {};
      }
    }
    return blocks;
  };
}
