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

/** A round number at or below the lowest value above 0. */
const floor = (values) => {
  const least = Math.max(1, Math.min(...values.filter((value) => value > 0)))
  const power = 10 ** Math.floor(Math.log10(least))
  return [5, 2, 1].map((step) => step * power).find((step) => step <= least)
}

/** Shares of the height, and what is written there; a few times more has to look like it, so the steps are equal factors. */
const logarithmic = (values) => {
  const some = values.filter((value) => value > 0)
  if (some.length === 0) return { of: () => 0, ticks: [] }
  const most = ceiling(some)
  const least = Math.min(floor(some), most / 10)
  const of = (value) => Math.max(0, Math.log(Math.max(value, least) / least) / Math.log(most / least))
  const tens = Array.from({ length: 7 }, (_, power) => 10 ** power)
  const between = tens.filter((value) => of(value) > 0.25 && of(value) < 0.75)
  const fromMiddle = (value) => Math.abs(of(value) - 0.5)
  const nearest = tens.flatMap((ten) => [ten, 2 * ten, 5 * ten]).toSorted((a, b) => fromMiddle(a) - fromMiddle(b))
  return { of, ticks: [most, ...(between.length === 0 ? nearest.slice(0, 1) : between), least] }
}

const linear = (values) => {
  const most = ceiling(values)
  const isEmpty = Math.max(0, ...values) === 0
  return { of: (value) => value / most, ticks: isEmpty ? [] : most % 2 === 0 ? [most, most / 2] : [most] }
}

/** Paths through the values that are there: a gap where none is; apart, those that stand alone. */
const pathsOf = (values, of, w, h) => {
  const step = w / values.length
  const is = (index) => values[index] !== undefined
  let line = ""
  let lone = ""
  values.forEach((value, index) => {
    if (value === undefined) return
    const at = `${((index + 0.5) * step).toFixed(1)} ${(h - of(value) * h).toFixed(1)}`
    if (is(index - 1)) line += `L${at}`
    else if (is(index + 1)) line += `M${at}`
    else lone += `M${at}h0.1`
  })
  return { line, lone }
}

const spark = (values) => {
  const node = svg("svg", { viewBox: "0 0 120 22", preserveAspectRatio: "none", "aria-hidden": "true" })
  const line = svg("path", { class: "l-spark" })
  node.append(line)
  node.draw = (next) => {
    const most = Math.max(1e-9, ...next.map((one) => one ?? 0))
    const paths = pathsOf(next, (value) => value / most * 0.9 + 0.05, 120, 22)
    line.setAttribute("d", paths.line + paths.lone)
  }
  node.draw(values)
  return node
}

/** `series`: name, class, value of a point; `kind`: "bars" are stacked, "lines" are not. */
const chart = (figure, { title, kind, series, write }) => {
  const plot = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" })
  const marks = svg("g")
  const lines = svg("path", { class: "grid" })
  const cursor = svg("path", { class: "cursor", d: "" })
  plot.append(
    lines,
    marks,
    cursor
  )
  const labels = el("div", { "aria-hidden": "true" })
  const readout = el("p", { class: "readout", "aria-hidden": "true" })
  figure.append(
    el("figcaption", {}, title, ...series.map(({ color, name }) => el("span", { class: `key c-${color}` }, name))),
    el("div", { class: "plot" }, plot, labels),
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
  const bars = (points, scale) => {
    const step = width / points.length
    points.forEach((point, index) => {
      let y = height
      for (const { color, of } of series) {
        const tall = scale.of(of(point)) * height
        if (!(tall > 0)) continue
        // What is there can be seen, however little it is.
        const seen = Math.max(1.5, tall)
        y -= seen
        const box = { x: index * step + 1, y, width: step - 2, height: seen, class: `f-${color}` }
        marks.append(svg("rect", box))
      }
    })
  }
  const curves = (points, scale) => {
    for (const { color, of } of series) {
      const { line, lone } = pathsOf(points.map(of), scale.of, width, height)
      marks.append(svg("path", { class: `l-${color}`, d: line }), svg("path", { class: `l-${color} lone`, d: lone }))
    }
  }
  return (points) => {
    shown = points
    marks.replaceChildren()
    const values = kind === "bars"
      ? points.map((point) => series.reduce((sum, { of }) => sum + of(point), 0))
      : points.flatMap((point) => series.map(({ of }) => of(point) ?? 0))
    const scale = kind === "bars" ? linear(values) : logarithmic(values)
    if (kind === "bars") bars(points, scale)
    else curves(points, scale)
    const heights = scale.ticks.map((tick) => height - scale.of(tick) * height)
    lines.setAttribute("d", [0, height, ...heights].map((y) => `M0 ${y.toFixed(1)}H${width}`).join(""))
    keep(labels, scale.ticks, String, () => el("span"), (node, tick) => {
      const share = scale.of(tick)
      setClass(node, share === 1 ? "label end" : share === 0 ? "label start" : "label")
      setText(node, write(tick))
      node.style.top = `${((1 - share) * 100).toFixed(1)}%`
    })
    const highest = Math.max(0, ...values)
    plot.setAttribute(
      "aria-label",
      highest === 0 ? `${title}: nothing yet` : `${title}, at most ${write(highest)} in a slot`
    )
    read()
  }
}
