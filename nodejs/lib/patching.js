/**
 * Functions that are replaced while the tagging is installed, and put back afterwards.
 *
 * @module
 */
"use strict";

/** The replacements of this process. */
class Patches {
  #undo = [];
  #made = new WeakSet();

  /** Whether the tagging is installed; what others took hold of meanwhile asks here. */
  on = false;

  /** The least level, as a number of pino's, from which records of loggers are tagged. */
  level = 0;

  /**
   * Put a function in the place of another one; once, and only where there is one.
   *
   * @param {object} target
   * @param {PropertyKey} name
   * @param {(original: Function) => Function} wrap
   */
  replace(target, name, wrap) {
    const original = target?.[name];
    if (typeof original !== "function" || this.#made.has(original)) return;
    const before = Object.getOwnPropertyDescriptor(target, name);
    if (before && !before.configurable) return;
    const replacement = wrap(original);
    this.#made.add(replacement);
    for (const key of ["name", "length"]) {
      Object.defineProperty(replacement, key, { value: original[key], configurable: true });
    }
    const { enumerable } = before ?? { enumerable: false };
    const after = { value: replacement, writable: true, configurable: true, enumerable };
    Object.defineProperty(target, name, after);
    this.#undo.push(() => {
      // Somebody else has replaced it meanwhile, and calls this one.
      if (Object.getOwnPropertyDescriptor(target, name)?.value !== replacement) return;
      if (before) Object.defineProperty(target, name, before);
      else delete target[name];
    });
  }

  /** Have a function called when the rest is put back. */
  onUndo(callback) {
    this.#undo.push(callback);
  }

  /** Put everything back, the last one first. */
  undo() {
    this.on = false;
    this.level = 0;
    for (const callback of this.#undo.splice(0).reverse()) callback();
  }
}

module.exports = { Patches };
