// SPDX-License-Identifier: Apache-2.0
// Natural Earth I by Tom Patterson, in the polynomials of B. Šavrič et al. (2011). Used by the page for points and by
// scripts/worldmap.mjs for coastlines, so that both agree.

export const WIDTH = 2000;
export const HEIGHT = 960;
const SCALE = WIDTH / (2 * 0.8707 * Math.PI);
const EQUATOR = 545;

/** Degrees to the map's coordinates: [x, y]. */
export function project(lat, lon) {
  const phi = (Math.max(-90, Math.min(90, lat)) * Math.PI) / 180;
  const lambda = (lon * Math.PI) / 180;
  const p2 = phi * phi;
  const p4 = p2 * p2;
  const x = lambda * (0.8707 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4)));
  const y = phi * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)));
  return [WIDTH / 2 + SCALE * x, EQUATOR - SCALE * y];
}
