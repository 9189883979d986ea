/**
 * Replace functions while the tagging is installed, and restore them afterwards.
 *
 * @module
 */
"use strict";

/** The patches of this process. */
class Patches {
  #undo = [];
  #replacements = new WeakSet();

  /** Whether the tagging is installed. Replacements that other code still holds check this. */
  on = false;

  /** The minimum level, on pino's scale, of records that are tagged. */
  level = 0;

  /**
   * Replace a method, unless it does not exist or is already a replacement.
   *
   * @param {object} target
   * @param {PropertyKey} name
   * @param {(original: Function) => Function} wrap
   */
  replace(target, name, wrap) {
    const original = target?.[name];
    if (typeof original !== "function" || this.#replacements.has(original)) return;
    const before = Object.getOwnPropertyDescriptor(target, name);
    if (before && !before.configurable) return;
    const replacement = wrap(original);
    this.#replacements.add(replacement);
    for (const key of ["name", "length"]) {
      Object.defineProperty(replacement, key, { value: original[key], configurable: true });
    }
    const { enumerable } = before ?? { enumerable: false };
    const after = { value: replacement, writable: true, configurable: true, enumerable };
    Object.defineProperty(target, name, after);
    this.#undo.push(() => {
      // Other code has replaced the method since, and calls this replacement.
      if (Object.getOwnPropertyDescriptor(target, name)?.value !== replacement) return;
      if (before) Object.defineProperty(target, name, before);
      else delete target[name];
    });
  }

  /** Call a function when the patches are undone. */
  onUndo(callback) {
    this.#undo.push(callback);
  }

  /** Undo all patches in reverse order. */
  undo() {
    this.on = false;
    this.level = 0;
    for (const callback of this.#undo.splice(0).reverse()) callback();
  }
}

module.exports = { Patches };
