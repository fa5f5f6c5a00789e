// Small charts as SVG: bars on bars, lines with gaps, and a line that says what is under the pointer.

const svgSpace = "http://www.w3.org/2000/svg"

const svg = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS(svgSpace, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

const width = 600
const height = 110

/** A round number at or above the highest value. */
const ceiling = (values) => {
  const most = Math.max(0, ...values)
  if (most === 0) return 1
  const power = 10 ** Math.floor(Math.log10(most))
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= most)
}

/** A path through the values that are there; a gap where none is, and a dot where one stands alone. */
const pathOf = (values, most, w, h) => {
  const step = w / values.length
  let path = ""
  values.forEach((value, index) => {
    if (value === undefined) return
    const x = ((index + 0.5) * step).toFixed(1)
    const y = (h - value / most * h).toFixed(1)
    path += values[index - 1] === undefined ? `M${x} ${y}h0.1` : `L${x} ${y}`
  })
  return path
}

const spark = (values) => {
  const node = svg("svg", { viewBox: "0 0 120 22", preserveAspectRatio: "none", "aria-hidden": "true" })
  const line = svg("path", { class: "l-spark" })
  node.append(line)
  node.draw = (next) => line.setAttribute("d", pathOf(next, Math.max(1e-9, ...next.map((one) => one ?? 0)), 120, 20))
  node.draw(values)
  return node
}

/** `series`: name, class, value of a point; `kind`: "bars" are stacked, "lines" are not. */
const chart = (figure, { title, kind, series, write }) => {
  const plot = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" })
  const marks = svg("g")
  const cursor = svg("path", { class: "cursor", d: "" })
  plot.append(
    svg("path", { class: "grid", d: `M0 0H${width}M0 ${height / 2}H${width}M0 ${height}H${width}` }),
    marks,
    cursor
  )
  const top = el("span", { class: "top" })
  const readout = el("p", { class: "readout", "aria-hidden": "true" })
  figure.append(
    el("figcaption", {}, title, ...series.map(({ color, name }) => el("span", { class: `key c-${color}` }, name))),
    el("div", { class: "plot" }, plot, top),
    el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, "10 min ago"), el("span", {}, "now")),
    readout
  )
  let shown = []
  let at
  const read = () => {
    const point = at === undefined ? undefined : shown[at]
    if (point === undefined) {
      cursor.setAttribute("d", "")
      readout.textContent = ""
      return
    }
    const x = (at + 0.5) * width / shown.length
    cursor.setAttribute("d", `M${x} 0V${height}`)
    const told = series.map(({ name, of }) => `${name} ${of(point) === undefined ? none : write(of(point))}`)
    readout.textContent = `${timeOf(point.atMs)} · ${told.join(" · ")}`
  }
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect()
    at = Math.min(shown.length - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * shown.length)))
    read()
  })
  plot.addEventListener("pointerleave", () => {
    at = undefined
    read()
  })
  const bars = (points, most) => {
    const step = width / points.length
    points.forEach((point, index) => {
      let y = height
      for (const { color, of } of series) {
        const tall = of(point) / most * height
        if (!(tall > 0)) continue
        // What is there can be seen, however little it is.
        const seen = Math.max(1.5, tall)
        y -= seen
        const box = { x: index * step + 1, y, width: step - 2, height: seen, class: `f-${color}` }
        marks.append(svg("rect", box))
      }
    })
  }
  return (points) => {
    shown = points
    marks.replaceChildren()
    const values = kind === "bars"
      ? points.map((point) => series.reduce((sum, { of }) => sum + of(point), 0))
      : points.flatMap((point) => series.map(({ of }) => of(point) ?? 0))
    const most = ceiling(values)
    if (kind === "bars") bars(points, most)
    else {for (const { color, of } of series) {
        marks.append(svg("path", { class: `l-${color}`, d: pathOf(points.map(of), most, width, height) }))
      }}
    const highest = Math.max(0, ...values)
    top.textContent = highest === 0 ? "" : write(most)
    plot.setAttribute(
      "aria-label",
      highest === 0 ? `${title}: nothing yet` : `${title}, at most ${write(highest)} in a slot`
    )
    read()
  }
}
