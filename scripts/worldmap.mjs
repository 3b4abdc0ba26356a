// SPDX-License-Identifier: Apache-2.0
//
// worldmap.mjs WORLD-ATLAS ISO-3166: coastlines and borders for the map of the admin page, on standard output.
//
//   npm install world-atlas@2                        (in a folder outside of the repository)
//   node scripts/worldmap.mjs …/node_modules/world-atlas/countries-110m.json /usr/share/iso-codes/json/iso_3166-1.json \
//       >proxy/admin/assets/world.json              (the second file: Debian's package iso-codes)
//
// The data are Natural Earth's, in the public domain. Arcs are projected, simplified (shared borders stay shared, as each
// arc is simplified once), rounded, and written as SVG paths, one a country: {"countries": [["DE", "M…"], …]}. Land without
// a code of its own has "". Antarctica is left out.
import { readFileSync } from "node:fs";
import { project } from "../proxy/admin/assets/projection.js";

const TOLERANCE = 1.1; // in units of a map that is 2000 wide
const SMALLEST = 10; // area of a ring that is kept, in square units
const [atlas, iso] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")));
const codes = new Map(iso["3166-1"].map((country) => [country.numeric, country.alpha_2]));
const byName = new Map([["Kosovo", "XK"]]);

/** [x, y, lat, lon]; the longitude goes on past 180° rather than jump. */
function decode(arc) {
  const { scale, translate } = atlas.transform;
  let [x, y, before] = [0, 0, 0];
  return arc.map(([dx, dy], i) => {
    [x, y] = [x + dx, y + dy];
    const lon = i ? unwrap(x * scale[0] + translate[0], before) : x * scale[0] + translate[0];
    before = lon;
    const lat = y * scale[1] + translate[1];
    return [...project(lat, lon), lat, lon];
  });
}

function unwrap(lon, before) {
  return lon - before > 180 ? lon - 360 : before - lon > 180 ? lon + 360 : lon;
}

function distance([x, y], [ax, ay], [bx, by]) {
  const length = Math.hypot(bx - ax, by - ay);
  if (length === 0) return Math.hypot(x - ax, y - ay);
  return Math.abs((by - ay) * (x - ax) - (bx - ax) * (y - ay)) / length;
}

/** Douglas and Peucker; both ends stay. */
function simplify(points) {
  let at = 0;
  let most = 0;
  for (let i = 1; i < points.length - 1; i++) {
    const d = distance(points[i], points[0], points[points.length - 1]);
    if (d > most) [at, most] = [i, d];
  }
  if (most <= TOLERANCE) return [points[0], points[points.length - 1]];
  return [...simplify(points.slice(0, at + 1)).slice(0, -1), ...simplify(points.slice(at))];
}

const arcs = atlas.arcs.map((arc) => simplify(decode(arc)));

function ring(indices) {
  const points = [];
  for (const index of indices) {
    const arc = index < 0 ? arcs[~index].toReversed() : arcs[index];
    const shift = points.length ? unwrap(arc[0][3], points.at(-1)[1]) - arc[0][3] : 0;
    points.push(...arc.slice(points.length ? 1 : 0).map(([, , lat, lon]) => [lat, lon + shift]));
  }
  return round(points.map(([lat, lon]) => project(lat, lon)));
}

function round(exact) {
  const points = exact.map(([x, y]) => [Math.round(x), Math.round(y)]);
  return points.filter(([x, y], i) => i === 0 || x !== points[i - 1][0] || y !== points[i - 1][1]);
}

function area(points) {
  let sum = 0;
  points.forEach(([x, y], i) => {
    const [nx, ny] = points[(i + 1) % points.length];
    sum += x * ny - nx * y;
  });
  return Math.abs(sum) / 2;
}

function path(points) {
  let [x, y] = points[0];
  let text = `M${x} ${y}l`;
  for (const [nx, ny] of points.slice(1, -1)) {
    text += `${text.endsWith("l") || nx - x < 0 ? "" : " "}${nx - x}${ny - y < 0 ? "" : " "}${ny - y}`;
    [x, y] = [nx, ny];
  }
  return `${text}z`;
}

const countries = atlas.objects.countries.geometries.map((shape) => {
  const polygons = shape.type === "Polygon" ? [shape.arcs] : shape.arcs;
  const rings = polygons.flat().map(ring).filter((points) => points.length > 3 && area(points) >= SMALLEST);
  return [codes.get(shape.id) ?? byName.get(shape.properties.name) ?? "", rings.map(path).join("")];
});
const lines = countries.filter(([code, text]) => code !== "AQ" && text).map((country) => JSON.stringify(country));
process.stdout.write(`{"source":"Natural Earth, public domain, by way of world-atlas 2.0.2","countries":[\n${lines.join(",\n")}\n]}\n`);
