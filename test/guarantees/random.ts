export { Random, seedFrom } from '../../server/src/verify/random.ts';
