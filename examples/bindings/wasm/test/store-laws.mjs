// The laws of a counter store. A store of your own must keep them: copy this file to your tests.

const id = (number) => number.toString(16).toUpperCase().padStart(32, "0");
const MAX = 0xff_ffff;

function expect(law, actual, expected) {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${law}: the store answered ${is}, expected ${should}`);
}

/** Checks the laws, each with a new store. Returns the number of laws. Throws for the first law that the store breaks. */
export async function checkStore(open) {
  const mark = (ctr, at, taps) => ({ ctr, at, taps });
  const advanced = (previous, now) => ({ advanced: true, previous, now });
  const stale = (stored) => ({ advanced: false, stored });
  const laws = {
    async "the first tap of a tag advances"(store) {
      expect("first", await store.advance(id(1), 1, 5), advanced(null, mark(1, 5, 1)));
    },
    async "a higher counter advances, and the answer has the mark before it"(store) {
      await store.advance(id(1), 1, 5);
      expect("higher", await store.advance(id(1), 9, null), advanced(mark(1, 5, 1), mark(9, null, 2)));
      expect("higher again", await store.advance(id(1), 10, 7), advanced(mark(9, null, 2), mark(10, 7, 3)));
    },
    async "an equal or lower counter is stale, and changes nothing"(store) {
      await store.advance(id(1), 9, 5);
      for (const ctr of [9, 8, 1, 0, 9]) expect("lower", await store.advance(id(1), ctr, 6), stale(mark(9, 5, 1)));
      expect("then", await store.advance(id(1), 10, 6), advanced(mark(9, 5, 1), mark(10, 6, 2)));
    },
    async "tags are independent"(store) {
      await store.advance(id(1), 9, null);
      expect("other", await store.advance(id(2), 1, null), advanced(null, mark(1, null, 1)));
      expect("first", await store.advance(id(1), 9, null), stale(mark(9, null, 1)));
    },
    async "the highest counter is the last"(store) {
      expect("highest", await store.advance(id(1), MAX, null), advanced(null, mark(MAX, null, 1)));
      expect("again", await store.advance(id(1), MAX, null), stale(mark(MAX, null, 1)));
    },
    async "of concurrent equal counters, one advances"(store) {
      const answers = await Promise.all(Array.from({ length: 16 }, () => store.advance(id(1), 3, null)));
      expect("winners", answers.filter(({ advanced }) => advanced).length, 1);
    },
  };
  for (const [name, law] of Object.entries(laws)) {
    try {
      await law(await open());
    } catch (error) {
      throw new Error(`a store breaks the law "${name}"`, { cause: error });
    }
  }
  return Object.keys(laws).length;
}
