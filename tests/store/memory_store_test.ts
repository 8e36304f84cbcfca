import { testStore } from "./contract.ts";
import { MemoryStore } from "./memory_store.ts";

testStore("MemoryStore", { ignore: false }, () => {
  const store = new MemoryStore();
  return Promise.resolve({ store: () => store, close: () => store.close() });
});
