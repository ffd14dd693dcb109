// Scalar floating point with branches, square roots and small structures by value: a picture of
// mirroring balls over a chequered floor.

#include "bench.h"

#include <math.h>

enum { WIDTH = 160, HEIGHT = 120, BALLS = 12, BOUNCES = 4 };

typedef struct {
    double x, y, z;
} Vector;

typedef struct {
    Vector centre, colour;
    double radius, mirrors;
} Ball;

static Ball balls[BALLS];
static Vector sun;

static Vector add(Vector a, Vector b) { return (Vector){a.x + b.x, a.y + b.y, a.z + b.z}; }
static Vector sub(Vector a, Vector b) { return (Vector){a.x - b.x, a.y - b.y, a.z - b.z}; }
static Vector scale(Vector a, double s) { return (Vector){a.x * s, a.y * s, a.z * s}; }
static double dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static Vector unit(Vector a) { return scale(a, 1.0 / sqrt(dot(a, a))); }

// The nearest ball before `*distance` along the ray, which becomes the distance to it.
static const Ball *hit(Vector from, Vector along, double *distance) {
    const Ball *found = NULL;
    for (int i = 0; i < BALLS; i++) {
        Vector to = sub(balls[i].centre, from);
        double middle = dot(to, along);
        double off = middle * middle - dot(to, to) + balls[i].radius * balls[i].radius;
        if (off < 0)
            continue;
        double half = sqrt(off);
        double near = middle - half > 1e-6 ? middle - half : middle + half;
        if (near > 1e-6 && near < *distance) {
            *distance = near;
            found = &balls[i];
        }
    }
    return found;
}

static Vector sky(Vector along) {
    double up = along.y > 0 ? along.y : 0;
    return (Vector){0.4 + 0.3 * (1 - up), 0.5 + 0.3 * (1 - up), 0.9};
}

static Vector look(Vector from, Vector along, int bounces) {
    double distance = 1e9;
    const Ball *ball = hit(from, along, &distance);
    Vector point, normal, colour;
    double mirrors;
    if (ball != NULL) {
        point = add(from, scale(along, distance));
        normal = scale(sub(point, ball->centre), 1.0 / ball->radius);
        colour = ball->colour;
        mirrors = ball->mirrors;
    } else if (along.y < -1e-6 && from.y / -along.y < 200) {
        point = add(from, scale(along, from.y / -along.y));
        normal = (Vector){0, 1, 0};
        int odd = ((int)(point.x + 1000) + (int)(point.z + 1000)) % 2;
        colour = odd ? (Vector){0.9, 0.9, 0.9} : (Vector){0.2, 0.2, 0.2};
        mirrors = 0.1;
    } else {
        return sky(along);
    }
    double light = dot(normal, sun);
    double shade = 1e9;
    if (light < 0 || hit(point, sun, &shade) != NULL)
        light = 0;
    Vector seen = scale(colour, 0.2 + 0.8 * light);
    if (bounces == 0 || mirrors == 0)
        return seen;
    Vector mirrored = sub(along, scale(normal, 2 * dot(along, normal)));
    return add(scale(seen, 1 - mirrors), scale(look(point, mirrored, bounces - 1), mirrors));
}

static uint32_t byte(double part) {
    return part >= 1 ? 255 : part <= 0 ? 0 : (uint32_t)(part * 256);
}

int main(int argc, char **argv) {
    uint32_t pictures = bench_size(argc, argv, 160, 1);
    uint64_t sum = 0;
    for (uint32_t picture = 0; picture < pictures; picture++) {
        uint32_t seed = picture + 5;
        for (int i = 0; i < BALLS; i++) {
            double radius = 0.3 + bench_random_unit(&seed);
            balls[i].radius = radius;
            balls[i].centre = (Vector){bench_random_unit(&seed) * 8 - 4, radius,
                                       bench_random_unit(&seed) * 8 + 3};
            balls[i].colour = (Vector){bench_random_unit(&seed), bench_random_unit(&seed),
                                       bench_random_unit(&seed)};
            balls[i].mirrors = i % 3 == 0 ? 0 : bench_random_unit(&seed) * 0.8;
        }
        sun = unit((Vector){bench_random_unit(&seed) - 0.5, 1, -0.6});
        Vector eye = {0, 1.5, -3};
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                Vector along = {(x - WIDTH / 2) / (double)HEIGHT,
                                (HEIGHT / 2 - y) / (double)HEIGHT, 1};
                Vector seen = look(eye, unit(along), BOUNCES);
                sum = bench_mix(sum, byte(seen.x) << 16 | byte(seen.y) << 8 | byte(seen.z));
            }
    }
    return bench_report("raytrace", pictures, sum);
}
