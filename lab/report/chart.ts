/** CSS rules that a chart adds to those of all charts: for everybody, and for readers who prefer dark colours. */
interface Look {
  readonly light: string
  readonly dark: string
}

export type Point = readonly [x: number, y: number]

interface RectOptions {
  readonly radius?: number
  /** Whether everything else is drawn over it. */
  readonly isBehind?: boolean
}

/** A chart as an SVG document. Each thing that is drawn has a kind, which is its CSS class. */
export class Chart {
  readonly #width: number
  readonly #title: string
  readonly #look: Look
  readonly #behind: string[] = []
  readonly #shapes: string[] = []

  constructor(width: number, title: string, look: Look) {
    this.#width = width
    this.#title = title
    this.#look = look
  }

  rect(kind: string, [x, y]: Point, width: number, height: number, options: RectOptions = {}): void {
    const { radius = 0, isBehind = false } = options
    const rounded = radius === 0 ? '' : ` rx="${radius}"`
    const shapes = isBehind ? this.#behind : this.#shapes
    shapes.push(
      `<rect class="${kind}" x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"${rounded}/>`,
    )
  }

  text(kind: string, [x, y]: Point, text: string, anchor: 'start' | 'middle' | 'end' = 'start'): void {
    this.#shapes.push(
      `<text class="${kind}" x="${short(x)}" y="${short(y)}" text-anchor="${anchor}">${escape(text)}</text>`,
    )
  }

  line(kind: string, points: readonly Point[]): void {
    this.#shapes.push(`<polyline class="${kind}" points="${listOf(points)}"/>`)
  }

  area(kind: string, points: readonly Point[]): void {
    this.#shapes.push(`<polygon class="${kind}" points="${listOf(points)}"/>`)
  }

  /** The document, once everything has been drawn. */
  document(height: number): string {
    const size = `viewBox="0 0 ${this.#width} ${height}" width="${this.#width}" height="${height}"`
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">`,
      `<title>${escape(this.#title)}</title>`,
      `<style>${styleOf(this.#look)}\n</style>`,
      `<rect class="paper" width="${this.#width}" height="${height}" rx="6"/>`,
      ...this.#behind,
      ...this.#shapes,
      '</svg>\n',
    ].join('\n')
  }
}

/** The style follows the reader's choice of light or dark, even if a page embeds the chart as an image. */
function styleOf({ light, dark }: Look): string {
  return `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #57606a; font-variant-numeric: tabular-nums }
  .title { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .paper { fill: #ffffff }
  .track { fill: #f3f5f7 }
  .grid { stroke: #d8dee4 }
  .line { fill: none; stroke-width: 1.5 }${light}
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title { fill: #f0f6fc }
    .paper { fill: #0d1117 }
    .track { fill: #171c23 }
    .grid { stroke: #2a313a }${dark}
  }`
}

function listOf(points: readonly Point[]): string {
  return points.map(([x, y]) => `${short(x)},${short(y)}`).join(' ')
}

/** Rounds a length to a tenth of a pixel. */
function short(length: number): string {
  return String(Number(length.toFixed(1)))
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
