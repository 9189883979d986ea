"use strict";
// Values of many kinds to log: some have a JSON form of their own, some have none.
class User {
  id = 1;
  password = "hunter2";
  toJSON() {
    return { id: this.id };
  }
}

const circular = { name: "circular" };
circular.self = circular;

const OBJECTS = {
  serializable: () => new User(),
  address: () => new URL("https://shop.example/"),
  array: () => [{ a: { b: { c: { d: 1 } } } }, "text"],
  long: () => Array.from({ length: 300 }, (_, number) => number),
  proxy: () => new Proxy({ a: 1 }, {}),
  map: () => new Map([[1, 2]]),
  date: () => new Date(0),
  boxed: () => new String("boxed"),
  null: () => null,
  number: () => 7,
  lines: () => "first\nsecond\nthird",
  json: () => '{"a": 1}',
  empty: () => "",
  big: () => ({ id: 5n }),
  circular: () => circular,
  throwing: () => ({
    get a() {
      throw new Error("getter");
    },
  }),
};

exports.OBJECTS = OBJECTS;
exports.handler = async (event) => {
  console.log(OBJECTS[event.kind]());
};
