import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

// One build serves below any path that is known when it is made.
export default defineConfig({ base: '/station/', plugins: [vue()] });
