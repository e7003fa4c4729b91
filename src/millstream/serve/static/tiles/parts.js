// What several tiles need: elements, texts written only where they differ, a canvas of any size.
//
// in    elements and texts
// out   made, write, Canvas

import { nextFrame, notNextFrame } from "../lib/frames.js";
import { onTheme } from "../lib/theme.js";

/** A new element at the end of another. @returns {any} */
export function made(kind, parent, name = "") {
  const element = document.createElement(kind);
  if (name) element.className = name;
  parent.append(element);
  return element;
}

/** Write a text if it is another one. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A canvas as large as its place; draw(pen, width, height) is called when it has to be drawn. */
export class Canvas {
  constructor(parent, draw) {
    this.element = made("canvas", made("div", parent, "canvas-place"));
    this.element.setAttribute("role", "img");
    this._draw = draw;
    this._now = () => this._paint();
    this._off = onTheme(() => this.again());
    this._sizes = new ResizeObserver(() => this.again());
    this._sizes.observe(this.element.parentElement);
  }

  /** Draw in the next frame. */
  again() {
    nextFrame(this._now);
  }

  /** What those hear who do not see it. */
  said(text) {
    if (this.element.ariaLabel !== text) this.element.ariaLabel = text;
  }

  destroy() {
    this._off();
    this._sizes.disconnect();
    notNextFrame(this._now);
  }

  _paint() {
    const { clientWidth: width, clientHeight: height } = this.element.parentElement;
    if (!width || !height) return;
    const scale = devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.element.width !== wide || this.element.height !== high) {
      Object.assign(this.element, { width: wide, height: high });
      Object.assign(this.element.style, { width: `${width}px`, height: `${height}px` });
    }
    const pen = this.element.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = '11px "Inter", system-ui, sans-serif';
    this._draw(pen, width, height);
  }
}
